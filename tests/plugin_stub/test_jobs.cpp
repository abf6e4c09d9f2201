#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "signal.hpp"
#include "wire/jobs.hpp"

using namespace stemweave;
namespace fs = std::filesystem;

namespace {

constexpr int64_t kFrames = 1000;
constexpr const char* kId = "6f1c2a90-0000-4000-8000-000000000001";

// A folder of takes that is gone after the test.
struct Takes {
    Takes() { setenv("STEMWEAVE_TAKES", folder.c_str(), 1); }
    ~Takes() { fs::remove_all(folder); }
    const fs::path folder = fs::temp_directory_path() / ("stemweave-" + new_uuid());
};

Message message(const Header& header) {
    const std::string bytes = header.bytes();
    return *Message::read(bytes.data(), bytes.size());
}

std::vector<float> audio(int channel) {
    std::vector<float> samples(2 * kFrames);
    for (size_t i = 0; i < samples.size(); ++i) samples[i] = song(channel, static_cast<int64_t>(i));
    return samples;
}

std::string bytes_of(const std::vector<float>& samples) {
    return std::string(reinterpret_cast<const char*>(samples.data()), samples.size() * sizeof(float));
}

Message chunk_of(const std::string& stem, int channel) {
    const std::string payload = bytes_of(audio(channel));
    return message(Header("chunk").put("job", std::string(kId)).put("offset", 0).put("stem", stem)
                       .put("crc32", crc32_of(payload.data(), payload.size())));
}

Message done_with(const std::vector<std::string>& stems) {
    std::map<std::string, std::string> hashes;
    for (size_t i = 0; i < stems.size(); ++i) {
        const std::string payload = bytes_of(audio(static_cast<int>(i)));
        hashes[stems[i]] = sha256_of(payload.data(), payload.size());
    }
    return message(Header("done").put("job", std::string(kId)).put("stems", hashes).put("frames", kFrames));
}

Message accepted() { return message(Header("accepted").put("job", std::string(kId)).put("state", std::string("running"))); }

// Everything a server says of a job; handle(message, payload) hears it.
template <typename Handle>
void serve(const std::vector<std::string>& stems, Handle&& handle) {
    handle(accepted(), "");
    for (int i = 0; i < static_cast<int>(stems.size()); ++i) handle(chunk_of(stems[static_cast<size_t>(i)], i), bytes_of(audio(i)));
    handle(done_with(stems), "");
}

void serve(const std::vector<std::string>& stems, Jobs& jobs, Server& server) {
    serve(stems, [&](const Message& said, const std::string& payload) { jobs.handle(server, said, payload); });
}

Job job_of_a_track() { return Job({audio(9), 48000, 0}, "separate", 1, kId); }

void serve(const std::vector<std::string>& stems, Job& job, Link& link) {
    serve(stems, [&](const Message& said, const std::string& payload) { job.handle(link, said, payload); });
}

void wait_until_kept(Jobs& jobs) {
    while (jobs.state() == JobState::running) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        jobs.keep();
    }
}

Recipe recipe_of(const Job& job) { return {job.id(), job.preset(), job.seed(), 48000, 0, kFrames, job.hashes()}; }

}  // namespace

TEST_CASE("a take of sources that no bus is called by is kept and found again, and not when it was changed") {
    Takes takes;
    Link link;  // to nobody
    Job job = job_of_a_track();
    serve({"vocals", "drums", "bass", "other", "residual"}, job, link);
    REQUIRE(job.state() == JobState::done);
    const int come[kStems] = {2, 1, 3, 0, 4};  // bass and drums on their own buses, whatever came before them
    for (int bus = 0; bus < kStems; ++bus) CHECK(job.stems()->audio[bus] == audio(come[bus]));
    CHECK(job.hashes().size() == kStems);
    for (const char* bus : kStemNames) CHECK(job.hashes().count(bus) == 1);
    const Recipe recipe = *Recipe::read(recipe_of(job).text());
    Cache cache;
    REQUIRE(cache.store(recipe, job.track(), *job.stems()));
    const auto stems = cache.load(recipe);
    REQUIRE(stems);
    CHECK(stems->audio == job.stems()->audio);
    Recipe other = recipe;
    other.hashes["piano"] = recipe.hashes.at("guitar");
    CHECK_FALSE(cache.load(other));
}

TEST_CASE("a stem that a bus is called by has it, also when one of another name came before") {
    Link link;
    Job job = job_of_a_track();
    serve({"vocals", "piano", "guitar", "residual", "synth"}, job, link);
    REQUIRE(job.state() == JobState::done);
    const int come[kStems] = {4, 0, 2, 1, 3};
    for (int bus = 0; bus < kStems; ++bus) CHECK(job.stems()->audio[bus] == audio(come[bus]));
}

TEST_CASE("progress is from nothing to all, also of a server that says what is no number") {
    Link link;
    Job job = job_of_a_track();
    job.handle(link, accepted(), "");
    const double said[][2] = {{0.5, 0.5}, {std::nan(""), 0.0}, {-1.0, 0.0}, {1e300, 1.0}};
    for (const auto& [fraction, shown] : said) {
        job.handle(link, message(Header("progress").put("fraction", fraction)), "");
        CHECK(job.progress() == shown);
    }
}

TEST_CASE("a job that ends in vain lets go of its stems") {
    Link link;
    Job job = job_of_a_track();
    const std::weak_ptr<StemSet> stems = job.stems();
    job.cancel();
    CHECK(stems.expired());
    CHECK(job.track().empty());
}

TEST_CASE("more stems than there are buses are an error of its own") {
    Link link;
    Job job = job_of_a_track();
    serve({"a", "b", "c", "d", "e", "f"}, job, link);
    CHECK(job.state() == JobState::failed);
    CHECK(job.error().find("more stems") != std::string::npos);
}

TEST_CASE("what a server said before it accepted a job again, after a cut, neither ends it nor grants anything") {
    const std::vector<std::string> stems{"bass", "drums"};
    Link link;
    Job job = job_of_a_track();
    job.handle(link, accepted(), "");
    job.handle(link, chunk_of("bass", 0), bytes_of(audio(0)));
    job.wait();
    job.handle(link, done_with(stems), "");  // the drums went with the cut
    job.handle(link, message(Header("progress").put("fraction", 0.5)), "");
    job.handle(link, message(Header("credit").put("chunks", 8)), "");
    CHECK(job.state() == JobState::waiting);
    job.submit(link);
    job.handle(link, accepted(), "");
    job.handle(link, chunk_of("drums", 1), bytes_of(audio(1)));
    job.handle(link, done_with(stems), "");
    CHECK(job.state() == JobState::done);
}

TEST_CASE("a silent block far behind the song makes its job no longer, and silence alone is none") {
    Player player;
    Jobs jobs(player);
    Server server;  // nobody
    Take take;
    Mark at;
    at.sample_rate = 48000.0;
    at.pass = 1;
    at.position = int64_t{7300} * 48000;
    const std::vector<float> loud(2 * 48000, 0.5f), silent(2 * 512, 0.0f);
    take.write(at, silent.data(), 512);
    jobs.separate(server, take, kFirstPreset);
    CHECK_FALSE(jobs.is_busy());
    CHECK(jobs.trouble().find("only silence") != std::string::npos);
    at.position = 0;
    at.pass = 2;
    take.write(at, loud.data(), 48000);
    jobs.separate(server, take, kFirstPreset);
    REQUIRE(jobs.is_busy());
    CHECK(player.playing()->start == 0);
    CHECK(player.playing()->frames == 48000);
}

TEST_CASE("a job that is begun anew takes its stems from their beginning, on whatever buses they come then") {
    Link link;
    Job job = job_of_a_track();
    job.handle(link, accepted(), "");
    job.handle(link, chunk_of("vocals", 0), bytes_of(audio(0)));
    const auto before = job.stems();
    REQUIRE(job.begin_anew());
    CHECK(job.id() != kId);
    CHECK(job.state() == JobState::waiting);
    CHECK(job.stems() != before);
    serve({"bass", "drums"}, job, link);
    REQUIRE(job.state() == JobState::done);
    CHECK(job.stems()->audio[0] == audio(0));
    CHECK(job.stems()->audio[1] == audio(1));
    CHECK_FALSE(job.begin_anew());
}

TEST_CASE("a take that is done plays, also when a project was brought back meanwhile") {
    Takes takes;
    Player player;
    Jobs jobs(player);
    Server server;  // nobody
    Take take;
    Mark at;
    at.sample_rate = 48000.0;
    at.pass = 1;
    take.write(at, audio(9).data(), kFrames);
    const Recipe saved{kId, "separate", 1, 48000, 0, kFrames, {}};
    jobs.bring_back(saved, nullptr);
    jobs.redo(server, take);  // a job whose name is known
    REQUIRE(jobs.is_busy());
    auto older = std::make_shared<StemSet>(48000.0, 0, kFrames);
    player.play(older);  // as Talker::restore does
    jobs.bring_back(saved, older);
    serve({"bass", "drums"}, jobs, server);
    REQUIRE(jobs.state() == JobState::done);
    CHECK(player.playing() == older);
    CHECK(jobs.keep());
    CHECK(player.playing() != older);
    CHECK(player.playing()->audio[1] == audio(1));
    wait_until_kept(jobs);
    CHECK_FALSE(jobs.folder().empty());
}

TEST_CASE("a take that cannot be kept has no folder") {
    Takes takes;
    Player player;
    Jobs jobs(player);
    Server server;
    const Recipe saved{kId, "separate", 1, 48000, 0, kFrames, {}};
    Cache().store(saved, audio(9), StemSet(48000.0, 0, kFrames));
    jobs.bring_back(saved, Cache().load(saved));
    CHECK_FALSE(jobs.folder().empty());
    fs::remove(takes.folder / kId / "bass.wav");
    jobs.bring_back(saved, nullptr);
    jobs.redo(server, Take());
    REQUIRE(jobs.is_busy());
    serve({"bass", "drums"}, jobs, server);
    fs::remove_all(takes.folder);
    std::ofstream(takes.folder) << "a file where the folder was";
    CHECK(jobs.keep());
    wait_until_kept(jobs);
    CHECK(jobs.trouble().find("could not be kept") != std::string::npos);
    CHECK(jobs.folder().empty());
}

TEST_CASE("a recipe is told before its stems are on disk, and the job is done when they are") {
    Takes takes;
    Player player;
    Jobs jobs(player);
    Server server;
    const Recipe saved{kId, "separate", 1, 48000, 0, kFrames, {}};
    Cache().store(saved, audio(9), StemSet(48000.0, 0, kFrames));
    fs::remove(takes.folder / kId / "bass.wav");
    jobs.bring_back(saved, nullptr);
    jobs.redo(server, Take());
    serve({"bass", "drums"}, jobs, server);
    CHECK(jobs.keep());
    CHECK(jobs.state() == JobState::running);
    CHECK_FALSE(jobs.is_busy());
    CHECK(jobs.folder().empty());
    CHECK_FALSE(jobs.keep());
    wait_until_kept(jobs);
    CHECK(jobs.state() == JobState::done);
    CHECK(fs::exists(jobs.folder() + "/bass.wav"));
}

TEST_CASE("what a host left half written is removed after a day, and nothing else") {
    Takes takes;
    const std::string other = "6f1c2a90-0000-4000-8000-000000000002";
    const fs::path stale = takes.folder / (std::string(kId) + ".part"), fresh = takes.folder / (other + ".part");
    const fs::path whole = takes.folder / kId, users = takes.folder / "song.part";
    const auto before = fs::file_time_type::clock::now() - std::chrono::hours(25);
    Cache().tidy();  // of nothing
    for (const fs::path& path : {stale, fresh, whole, users}) {
        fs::create_directories(path);
        std::ofstream(path / "bass.wav") << "audio";
        if (path != fresh) fs::last_write_time(path, before);
    }
    Cache().tidy();
    CHECK_FALSE(fs::exists(stale));
    for (const fs::path& path : {fresh, whole, users}) CHECK(fs::exists(path / "bass.wav"));
}

TEST_CASE("nothing is made as large as a recipe says where the files are not") {
    Takes takes;
    const Cache cache;
    Recipe recipe{kId, "separate", 1, 48000, 0, kFrames, {}};
    Cache().store(recipe, audio(9), StemSet(48000.0, 0, kFrames));
    CHECK(cache.load(recipe));
    recipe.frames = int64_t{24} * 3600 * 192000;
    REQUIRE(Recipe::read(recipe.text()));
    CHECK_FALSE(cache.load(recipe));
    CHECK_FALSE(cache.has_track(recipe));
    recipe.frames = kFrames;
    for (const int64_t start : {INT64_MAX, INT64_MIN, (int64_t{1} << 53) + 1}) {
        recipe.start = start;
        CHECK_FALSE(Recipe::read(recipe.text()));
    }
}
