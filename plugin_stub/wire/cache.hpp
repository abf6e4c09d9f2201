// Finished takes on disk, so that a project opens with its stems when no server is there: one folder a take with the track and its
// stems as float WAV (with a broadcast chunk that says where on the timeline they belong) and the recipe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/stems.hpp"

namespace stemweave {

// What makes a take again, and what it must then be. As text it is saved in the host's project.
struct Recipe {
    std::string job;
    std::string preset;
    int64_t seed = 0;
    int sample_rate = 0;
    int64_t start = 0;   // position of the first frame
    int64_t frames = 0;
    std::map<std::string, std::string> hashes;  // stem to SHA-256 of its samples

    std::string text() const;
    // Nothing for text that is no recipe.
    static std::optional<Recipe> read(const std::string& text);
};

class Cache {
  public:
    // folder: empty for $STEMWEAVE_TAKES, else takes/ in the user's cache folder.
    explicit Cache(const std::string& folder = "");

    // Writes all files beside their place and moves the folder there when they are complete; track: empty where others gave the audio.
    // False, with why(), when the disk does not take them; a take of that name that was there is then there still.
    bool store(const Recipe& recipe, const std::vector<float>& track, const StemSet& stems);
    // Removes what was begun a day ago and is not complete: its host died.
    void tidy() const;
    // Null when they are not there, or are not what the recipe says.
    std::shared_ptr<StemSet> load(const Recipe& recipe) const;
    // The track that was separated; empty where it is not there. has_track() does not read it.
    std::vector<float> track(const Recipe& recipe) const;
    bool has_track(const Recipe& recipe) const;
    std::string folder(const Recipe& recipe) const { return folder_ + "/" + recipe.job; }
    const std::string& folder() const { return folder_; }
    const std::string& why() const { return why_; }

  private:
    std::string folder_;
    std::string why_;
};

}  // namespace stemweave
