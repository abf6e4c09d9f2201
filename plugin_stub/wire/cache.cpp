#include "cache.hpp"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "hash.hpp"
#include "wave.hpp"

namespace stemweave {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPart = ".part";  // of a folder that is being written

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

std::string users_cache() {
#if defined(_WIN32)
    return environment("LOCALAPPDATA") + "/stemweave";
#elif defined(__APPLE__)
    return environment("HOME") + "/Library/Caches/stemweave";
#else
    const std::string cache = environment("XDG_CACHE_HOME");
    return (cache.empty() ? environment("HOME") + "/.cache" : cache) + "/stemweave";
#endif
}

// A job's name becomes that of a folder, and a project file may come from a stranger.
bool is_uuid(const std::string& text) {
    return text.size() == 36 && text.find_first_not_of("0123456789abcdef-") == std::string::npos;
}

// By its size alone, so that nothing is made as large as a recipe says that is not there.
bool may_hold(const std::string& path, const Recipe& recipe) {
    std::error_code error;
    const auto size = fs::file_size(path, error);
    return !error && size > static_cast<uintmax_t>(recipe.frames) * 2 * sizeof(float);
}

fs::path aside(const fs::path& place) { return place.string() + ".old"; }

// Undo a replace() that went no further, perhaps because the host died.
void put_back(const fs::path& place) {
    std::error_code error;
    if (!fs::exists(place, error)) fs::rename(aside(place), place, error);
}

// A take that was there, damaged, is removed only when the new one is in its place.
bool replace(const fs::path& place, const fs::path& beside) {
    std::error_code error;
    if (fs::exists(place, error)) {
        fs::remove_all(aside(place), error);
        if (!error) fs::rename(place, aside(place), error);
    }
    if (!error) fs::rename(beside, place, error);
    if (error) {
        put_back(place);
        return false;
    }
    fs::remove_all(aside(place), error);
    return true;
}

}  // namespace

std::string Recipe::text() const {
    std::ostringstream out;
    out << "job " << job << "\npreset " << preset << "\nseed " << seed << "\nsample_rate " << sample_rate << "\nstart " << start
        << "\nframes " << frames << "\n";
    for (const auto& [stem, hash] : hashes) out << "stem " << stem << " " << hash << "\n";
    return out.str();
}

std::optional<Recipe> Recipe::read(const std::string& text) {
    Recipe recipe;
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string key;
        words >> key;
        if (key == "job") words >> recipe.job;
        if (key == "preset") words >> recipe.preset;
        if (key == "seed") words >> recipe.seed;
        if (key == "sample_rate") words >> recipe.sample_rate;
        if (key == "start") words >> recipe.start;
        if (key == "frames") words >> recipe.frames;
        if (key == "stem") {
            std::string stem;
            words >> stem;
            words >> recipe.hashes[stem];
        }
        if (words.fail()) return std::nullopt;
    }
    const int64_t largest = int64_t{24} * 3600 * 192000, farthest = int64_t{1} << 53;
    if (!is_uuid(recipe.job) || recipe.sample_rate <= 0 || recipe.frames <= 0 || recipe.frames > largest) return std::nullopt;
    if (recipe.start < -farthest || recipe.start > farthest) return std::nullopt;
    return recipe;
}

Cache::Cache(const std::string& folder) : folder_(folder) {
    if (folder_.empty()) folder_ = environment("STEMWEAVE_TAKES");
    if (folder_.empty()) folder_ = users_cache() + "/takes";
}

bool Cache::store(const Recipe& recipe, const std::vector<float>& track, const StemSet& stems) {
    std::error_code error;
    const fs::path beside = folder(recipe) + kPart;
    fs::remove_all(beside, error);
    fs::create_directories(beside, error);
    bool good = !error;
    if (!track.empty()) good = good && write_wave((beside / "track.wav").string(), track, recipe.sample_rate, recipe.start);
    for (int bus = 0; bus < kStems; ++bus) {
        const std::string name = std::string(kStemNames[bus]) + ".wav";
        good = good && write_wave((beside / name).string(), stems.audio[bus], recipe.sample_rate, recipe.start);
    }
    std::ofstream out(beside / "recipe.txt");
    out << recipe.text();
    out.close();
    good = good && out.good();
    if (good && replace(folder(recipe), beside)) return true;
    why_ = "The stems play, but could not be kept in " + folder_ + ": is the disk full?";
    fs::remove_all(beside, error);
    return false;
}

void Cache::tidy() const {
    const auto yesterday = fs::file_time_type::clock::now() - std::chrono::hours(24);
    std::error_code error;
    std::vector<fs::path> stale;
    for (fs::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error)) {
        const fs::path& path = entry->path();
        std::error_code gone;  // another instance may tidy too
        if (path.extension() == kPart && is_uuid(path.stem().string()) && fs::last_write_time(path, gone) < yesterday && !gone) {
            stale.push_back(path);
        }
    }
    for (const fs::path& path : stale) fs::remove_all(path, error);
}

std::vector<float> Cache::track(const Recipe& recipe) const {
    if (!has_track(recipe)) return {};
    std::vector<float> audio(2 * static_cast<size_t>(recipe.frames));
    return read_wave(folder(recipe) + "/track.wav", audio) ? audio : std::vector<float>();
}

bool Cache::has_track(const Recipe& recipe) const { return may_hold(folder(recipe) + "/track.wav", recipe); }

std::shared_ptr<StemSet> Cache::load(const Recipe& recipe) const {
    put_back(folder(recipe));
    const auto there = [&](int bus) { return folder(recipe) + "/" + kStemNames[bus] + ".wav"; };
    for (int bus = 0; bus < kStems; ++bus) {
        if (!may_hold(there(bus), recipe)) return nullptr;
    }
    auto stems = std::make_shared<StemSet>(recipe.sample_rate, recipe.start, recipe.frames);
    for (int bus = 0; bus < kStems; ++bus) {
        if (!read_wave(there(bus), stems->audio[bus])) return nullptr;
        const auto hash = recipe.hashes.find(kStemNames[bus]);
        const size_t bytes = stems->audio[bus].size() * sizeof(float);
        if (hash != recipe.hashes.end() && sha256_of(stems->audio[bus].data(), bytes) != hash->second) return nullptr;
    }
    stems->ready = recipe.frames;
    return stems;
}

}  // namespace stemweave
