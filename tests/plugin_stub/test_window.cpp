#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <thread>

#include "core/take.hpp"
#include "window/layout.hpp"
#include "window/look.hpp"
#include "window/peaks.hpp"
#include "window/time_left.hpp"
#include "window/words.hpp"

using namespace stemweave;

namespace {

Track track(const char* id, int64_t start, int64_t frames, const char* role = "", bool takes_part = true) {
    return {id, std::string("Name of ") + id, role, 48000, start, frames, takes_part};
}

Shown session_of(int tracks) {
    Shown shown;
    shown.status.connection = Connection::connected;
    for (int i = 0; i < tracks; ++i) shown.status.members.push_back(track(("t" + std::to_string(i)).c_str(), 48000 * i, 96000));
    shown.status.me = "t" + std::to_string(tracks - 1);
    shown.status.tracks = tracks;
    shown.status.recorded = {0, 96000};
    return shown;
}

const JobState kStates[] = {JobState::none, JobState::waiting, JobState::uploading, JobState::running, JobState::done, JobState::cancelled, JobState::failed};

bool overlap(const Box& a, const Box& b) { return a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom(); }

}  // namespace

TEST_CASE("whatever can be clicked lies inside the window, large enough for a finger's width, and under nothing else") {
    for (const Page page : {Page::session, Page::doctor}) {
        for (const JobState state : kStates) {
            Shown shown = session_of(7);
            shown.status.job = state;
            shown.status.offer = Offer::play_first;
            const auto all = spots(shown, page);
            for (size_t i = 0; i < all.size(); ++i) {
                CHECK(all[i].box.x >= 0);
                CHECK(all[i].box.y >= 0);
                CHECK(all[i].box.right() <= kWidth);
                CHECK((all[i].box.bottom() <= kProgress.y || all[i].box.y >= kTrouble.y));
                CHECK(all[i].box.bottom() <= kHeight);
                CHECK(all[i].box.w >= 20);
                CHECK(all[i].box.h >= 20);
                CHECK_FALSE(overlap(all[i].box, ruler()));
                for (size_t j = 0; j < i; ++j) CHECK_FALSE(overlap(all[i].box, all[j].box));
            }
        }
    }
    CHECK(kTrouble.y >= kProgress.bottom());
    CHECK(kTrouble.bottom() <= kHeight);
    CHECK(track_row(kTrackRows - 1).bottom() <= ruler().y);
    CHECK(ruler().bottom() <= stem_row(0).y);
}

TEST_CASE("a job can be asked for or cancelled, never both, and not before there is anything to work on") {
    const auto enabled = [](const Shown& shown, Action action) {
        for (const Spot& spot : spots(shown, Page::session)) {
            if (spot.action == action) return spot.enabled;
        }
        return false;
    };
    for (const JobState state : kStates) {
        Shown shown = session_of(2);
        shown.status.job = state;
        CHECK(enabled(shown, Action::separate) != enabled(shown, Action::cancel));
        for (const Action action : {Action::accompany, Action::infill, Action::regenerate}) CHECK(enabled(shown, action) == enabled(shown, Action::separate));
    }
    CHECK_FALSE(enabled(Shown{}, Action::separate));
    for (const Action action : {Action::accompany, Action::infill, Action::regenerate}) CHECK_FALSE(enabled(Shown{}, action));
    CHECK_FALSE(enabled(Shown{}, Action::cancel));
    CHECK_FALSE(enabled(session_of(2), Action::reveal));
}

TEST_CASE("what is greyed out is not hit") {
    const auto all = spots(Shown{}, Page::session);
    for (const Spot& spot : all) CHECK(hit(all, spot.box.x + 1, spot.box.y + 1).has_value() == spot.enabled);
    CHECK_FALSE(hit(all, 700, 515).has_value());
}

TEST_CASE("this track comes first and what does not fit is counted") {
    CHECK(track_list(session_of(3)).rows == std::vector<size_t>{2, 0, 1});
    const TrackList many = track_list(session_of(7));
    CHECK(many.rows == std::vector<size_t>{6, 0, 1, 2});
    CHECK(many.more == 3);
    CHECK(track_list(Shown{}).rows.empty());
}

TEST_CASE("the timeline holds all that is shown, and a position lies where its share of it is") {
    Shown shown = session_of(3);
    shown.stems = {-24000, 10};
    const Range all = timeline(shown);
    CHECK(all == Range{-24000, 192000});
    const Box row = lane(stem_row(2));
    CHECK(x_of(-24000, all, row) == doctest::Approx(row.x));
    CHECK(x_of(192000, all, row) == doctest::Approx(row.right()));
    CHECK(x_of(84000, all, row) == doctest::Approx(row.x + row.w / 2));
    CHECK(x_of(1 << 30, all, row) == doctest::Approx(row.right()));
    CHECK(timeline(Shown{}).frames() == 48000);
}

TEST_CASE("what is dragged over on the ruler is the stretch, either way round, within what there is; a click is none") {
    const Range all{-48000, 96000};
    const Box row = ruler();
    CHECK(position_at(row.x, all, row) == -48000);
    CHECK(position_at(row.right() + 50, all, row) == 96000);
    for (int64_t position = all.start; position <= all.end; position += 12000) {
        CHECK(std::abs(position_at(x_of(position, all, row), all, row) - position) <= 1);
    }
    const float from = x_of(12000, all, row), to = x_of(72000, all, row);
    const Range there = stretch_between(from, to, all);
    CHECK(std::abs(there.start - 12000) <= 1);
    CHECK(std::abs(there.end - 72000) <= 1);
    CHECK(stretch_between(to, from, all) == there);
    CHECK(stretch_between(0, 5000, all) == Range{0, 96000});  // the host's seconds begin at zero
    CHECK(stretch_between(from, from + 2, all).frames() == 0);
}

TEST_CASE("cells are bars, or two, four, ... of them, and those of a stem that was made can be locked") {
    Shown shown;
    shown.stems = {0, 480000};
    shown.bar = 96000.0;
    CHECK(cell_length(shown) == 96000.0);
    const Box row = lane(stem_row(1));
    const auto cell = [&](double seconds) { return cell_at(shown, x_of(static_cast<int64_t>(seconds * 48000), timeline(shown), row), row.y + 3); };
    CHECK_FALSE(cell(1.0).has_value());  // nothing was made
    shown.peaks[1][7] = 0.5f;
    REQUIRE(cell(3.0).has_value());
    CHECK(cell(3.0)->stem == 1);
    CHECK(cell(3.0)->range == Range{96000, 192000});
    CHECK_FALSE(cell(3.0)->locked);
    shown.locks.set(1, {96000, 192000}, true);
    CHECK(cell(3.0)->locked);
    CHECK_FALSE(cell(1.0)->locked);
    shown.stems = {50000, 150000};  // what there is of a cell
    shown.status.recorded = {0, 480000};
    CHECK(cell(3.0)->range == Range{96000, 150000});
    CHECK_FALSE(cell(8.0).has_value());
    shown.status.recorded = {0, 48000 * 600};
    CHECK(cell_length(shown) == 96000.0 * 8);
    shown.bar = 0.0;  // no tempo
    CHECK(cell_length(shown) == 96000.0 * 8);
}

TEST_CASE("a source is given only by a track that takes part and holds something") {
    Shown shown;
    shown.status.members = {track("a", 0, 100, "drums"), track("b", 0, 0, "bass"), track("c", 0, 100, "piano", false)};
    CHECK_FALSE(shown.is_given(0));
    CHECK(shown.is_given(1));
    CHECK_FALSE(shown.is_given(3));
}

TEST_CASE("time is told as people do") {
    CHECK(time_of(0, 48000) == "0:00.0");
    CHECK(time_of(48000 * 75 + 24000, 48000) == "1:15.5");
    CHECK(time_of(-44100, 44100) == "-0:01.0");
    CHECK(time_of(-1, 48000) == "0:00.0");
    CHECK(time_of(48000 * 59 + 47999, 48000) == "1:00.0");
    CHECK(left(std::nullopt).empty());
    CHECK(left(3.0) == "a few seconds left");
    CHECK(left(33.0) == "about 35 s left");
    CHECK(left(200.0) == "about 3 min left");
}

TEST_CASE("the time left is what the pace says, and runs down while nothing is heard") {
    TimeLeft time;
    CHECK_FALSE(time.seconds(0.0).has_value());
    time.see(10.0, true, 0.0);
    CHECK_FALSE(time.seconds(11.0).has_value());
    time.see(12.0, true, 0.2);  // 10 s in all
    REQUIRE(time.seconds(12.0).has_value());
    CHECK(*time.seconds(12.0) == doctest::Approx(8.0));
    time.see(14.0, true, 0.2);
    CHECK(*time.seconds(14.0) == doctest::Approx(6.0));
    CHECK(*time.seconds(99.0) == 0.0);
    time.see(15.0, true, 0.0);  // another job
    CHECK_FALSE(time.seconds(15.0).has_value());
    time.see(16.0, false, 1.0);
    CHECK_FALSE(time.seconds(16.0).has_value());
}

TEST_CASE("every state has words of its own, and trouble is told as it came") {
    Shown shown = session_of(1);
    shown.stems = {0, 96000};
    std::vector<std::string> seen;
    for (const JobState state : kStates) {
        shown.status.job = state;
        shown.status.progress = 0.425;
        const std::string words = job_line(shown);
        CHECK_FALSE(words.empty());
        CHECK(std::find(seen.begin(), seen.end(), words) == seen.end());
        seen.push_back(words);
    }
    shown.status.job = JobState::running;
    shown.seconds_left = 60.0;
    CHECK(job_line(shown) == "Working: 42 %, about 60 s left");
    seen.clear();
    for (const Connection connection : {Connection::absent, Connection::greeting, Connection::connected, Connection::refused}) {
        shown.status.connection = connection;
        CHECK(std::find(seen.begin(), seen.end(), connection_line(shown)) == seen.end());
        seen.push_back(connection_line(shown));
    }
    CHECK(trouble(shown).empty());
    shown.status.lost = 3;
    CHECK(trouble(shown).find("Play that part again") != std::string::npos);
    shown.status.message = "No stemweave server answers.";
    CHECK(trouble(shown) == "No stemweave server answers.");
}

TEST_CASE("the doctor says what is known and what is not") {
    Shown shown;
    shown.status.server = "tcp://studio:27182";
    shown.status.last_trouble = "It broke.";
    const auto value_of = [&](const std::string& what) {
        for (const auto& [name, value] : findings(shown)) {
            if (name == what) return value;
        }
        return std::string("missing");
    };
    CHECK(value_of("Server") == "tcp://studio:27182");
    CHECK(value_of("Protocol").find("not known there") != std::string::npos);
    shown.status.protocol = "9.0";
    CHECK(value_of("Protocol").find("9.0 there") != std::string::npos);
    CHECK(value_of("Last error") == "It broke.");
    CHECK(value_of("Recorded") == "nothing yet");
    CHECK(value_of("Models") == "not known");
    shown.status.models = {"embedded", "mine"};
    CHECK(value_of("Models") == "embedded, mine");
}

TEST_CASE("the doctor names one thing to do after the other until all is well") {
    Shown shown;
    const auto says = [&](Health health, const char* words) {
        CHECK(diagnosis(shown).first == health);
        CHECK(diagnosis(shown).second.find(words) != std::string::npos);
    };
    shown.status.connection = Connection::greeting;
    says(Health::waiting, "Looking for the server");
    shown.status.message = "No stemweave server answers. Start one.";
    says(Health::trouble, "Start one");
    shown.status.message.clear();
    shown.status.connection = Connection::connected;
    says(Health::waiting, "loading");
    shown.status.models = {"embedded"};
    says(Health::waiting, "Let the song play");
    shown.takes_part = false;
    says(Health::waiting, "takes no part");
    shown.takes_part = true;
    shown.status.recorded = {0, 96000};
    says(Health::well, "All is well");
    shown.stems = {0, 96000};
    shown.heard = 0;
    says(Health::waiting, "muted");
    shown.plays = false;
    says(Health::waiting, "Play stems");
    shown.status.lost = 5;
    says(Health::trouble, "Play that part again");
}

TEST_CASE("stems that were made at another rate than the host's are said to be silent, and what to do") {
    Shown shown = session_of(1);
    shown.status.models = {"embedded"};
    shown.stems = {0, 96000};
    CHECK(diagnosis(shown).first == Health::well);
    shown.stems_rate = 44100.0;
    CHECK(diagnosis(shown).first == Health::trouble);
    CHECK(trouble(shown).find("made at 44100 Hz, and this host runs at 48000 Hz") != std::string::npos);
    for (const JobState state : {JobState::none, JobState::done}) {
        shown.status.job = state;
        CHECK(job_line(shown).find("silent") != std::string::npos);
    }
    shown.stems = {};
    CHECK(trouble(shown).empty());
}

TEST_CASE("that no file manager could be opened is said where nothing else is, until the next click") {
    setenv("STEMWEAVE_SERVER", "tcp://127.0.0.1:9", 1);
    const auto core = std::make_shared<Core>();
    Talker talker(core);
    Looker looker;
    Shown shown;
    const auto message = [&] {
        looker.look(*core, talker, shown);
        return shown.status.message;
    };
    looker.could_reveal(false);
    CHECK(message().find("file manager") != std::string::npos);
    looker.could_reveal(true);
    CHECK(message().find("file manager") == std::string::npos);
    talker.separate();  // of nothing
    while (talker.status().message.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    looker.could_reveal(false);
    CHECK(message() == talker.status().message);
}

TEST_CASE("a stem's peaks grow with what arrives, no more of it at once than is allowed, and begin anew with other stems") {
    const int64_t frames = 1000;  // no multiple of the columns
    auto stems = std::make_shared<StemSet>(48000.0, 0, frames);
    for (int64_t i = 0; i < frames; ++i) stems->audio[1][2 * static_cast<size_t>(i) + 1] = -static_cast<float>(i) / frames;
    StemPeaks peaks;
    stems->ready = 500;
    CHECK(peaks.follow(stems, 300));
    CHECK(peaks.seen() == 300);
    CHECK_FALSE(peaks.follow(stems, 300));
    CHECK(peaks.seen() == 500);
    CHECK(peaks.of(1)[StemPeaks::kColumns - 1] == 0.0f);
    stems->ready = frames;
    while (peaks.follow(stems, 7)) {}
    for (int column = 0; column < StemPeaks::kColumns; ++column) {
        const double last = std::ceil((column + 1) * static_cast<double>(frames) / StemPeaks::kColumns) - 1;
        CHECK(peaks.of(1)[column] == doctest::Approx(last / frames));
        CHECK(peaks.of(0)[column] == 0.0f);
    }
    CHECK_FALSE(peaks.follow(nullptr, 100));
    CHECK(peaks.seen() == 0);
    CHECK(peaks.of(1)[StemPeaks::kColumns - 1] == 0.0f);
}

TEST_CASE("a take's outline is that of what was recorded last, where it was recorded") {
    Take take;
    std::vector<float> quiet(2 * 48000, 0.25f), loud(2 * 4096, -0.75f);
    Mark at;
    at.sample_rate = 48000.0;
    at.pass = 1;
    take.write(at, quiet.data(), 48000);
    CHECK(take.outline(100) == std::vector<float>(100, 0.25f));
    at.position = 24576;
    at.pass = 2;
    take.write(at, loud.data(), 4096);
    const auto peaks = take.outline(100);
    for (int column = 0; column < 100; ++column) {
        const int64_t from = column * 480, to = from + 480;
        if (to <= 24576 - 1024 || from >= 24576 + 4096 + 1024) CHECK(peaks[column] == 0.25f);
        if (from >= 24576 && to <= 24576 + 4096) CHECK(peaks[column] == 0.75f);
    }
    at.pass = 3;
    at.position = 24576 + 4096;  // what follows is silent, then sounds: silence counts
    std::vector<float> silence(2 * 8192);
    take.write(at, silence.data(), 8192);
    CHECK(take.outline(100) == peaks);
    at.position += 8192;
    take.write(at, loud.data(), 4096);
    CHECK(take.outline(100)[70] == 0.0f);
    CHECK(Take{}.outline(4) == std::vector<float>(4));
}

TEST_CASE("the presets that separate are chosen in turn, and none where the server has no other") {
    Shown shown = session_of(1);
    shown.status.preset = "separate";
    const auto choice = [&shown] {
        const auto all = spots(shown, Page::session);
        return *std::find_if(all.begin(), all.end(), [](const Spot& spot) { return spot.action == Action::preset; });
    };
    CHECK_FALSE(choice().enabled);  // nobody has said which there are
    shown.status.presets = {"accompany", "separate", "separate-dirac", "separate-zero-shot", "separately"};
    CHECK(choice().enabled);
    CHECK(choice().label == "Preset: separate");
    for (const char* next : {"separate-dirac", "separate-zero-shot", "separate"}) {
        shown.status.preset = shown.next_preset();
        CHECK(shown.status.preset == next);
    }
    shown.status.preset = "of-another-server";
    CHECK(shown.next_preset() == "separate");
    shown.status.presets = {"separate", "separate-My_own"};  // by a name that the plug-in does not take
    shown.status.preset = "separate";
    CHECK_FALSE(choice().enabled);
}

TEST_CASE("stems that are gone are offered to be made again, at once or after the track was played") {
    Shown shown = session_of(1);
    shown.rate = 48000.0;
    shown.status.gone = {48000, 5 * 48000};
    const auto button = [&shown]() -> std::optional<Spot> {
        for (const Spot& spot : spots(shown, Page::session)) {
            if (spot.action == Action::redo) return spot;
        }
        return std::nullopt;
    };
    CHECK_FALSE(button());
    CHECK(trouble(shown).empty());
    shown.status.offer = Offer::play_first;
    REQUIRE(button());
    CHECK_FALSE(button()->enabled);
    CHECK(trouble(shown).find("0:01.0 to 0:05.0") != std::string::npos);
    shown.status.offer = Offer::make_again;
    REQUIRE(button());
    CHECK(button()->enabled);
    CHECK(trouble(shown).find(button()->label) != std::string::npos);
    shown.status.message = "The disk is full.";
    CHECK(trouble(shown) == "The disk is full.");
    shown.status.message.clear();
    shown.status.offer = Offer::ask_again;
    CHECK_FALSE(button());
    CHECK_FALSE(trouble(shown).empty());
}
