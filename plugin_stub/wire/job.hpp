// One job on the server: audio goes up (the track's, or that of all tracks of a context, each from its own instance), stems come down,
// both by credit; begun again from what is there after a cut.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/stems.hpp"
#include "wire/hash.hpp"
#include "wire/link.hpp"
#include "wire/locks.hpp"
#include "wire/messages.hpp"

namespace stemweave {

enum class JobState { none, waiting, uploading, running, done, cancelled, failed };

constexpr const char* kFirstPreset = "separate";

// A track: stereo, interleaved, and where on the timeline it begins.
struct Audio {
    std::vector<float> samples;
    int sample_rate = 0;
    int64_t start = 0;
};

class Job {
  public:
    // Separate a track. id: the job's name, of one that was done before or a new one.
    Job(Audio track, const std::string& preset, int64_t seed, const std::string& id);
    // What the tracks of a context are to be used for, of which `givers` take part. The job's name is left to this.
    // kept: what stays of the stems before.
    Job(Order order, size_t givers, Kept kept);

    // Ask for it, or ask after it again: after a cut, or from a server that was restarted.
    void submit(Link& link);
    // The same under another name, with stems of its own, of which nothing is there. False when that was done before.
    bool begin_anew();
    void cancel() { if (is_open()) end(JobState::cancelled); }
    // A message that names this job.
    void handle(Link& link, const Message& message, const std::string& payload);
    // The link is down: what is there stays, the rest comes when the server is back.
    void wait() { if (is_open()) state_ = JobState::waiting; }

    bool is_open() const { return state_ == JobState::waiting || state_ == JobState::uploading || state_ == JobState::running; }
    JobState state() const { return state_; }
    double progress() const { return progress_; }
    const std::string& id() const { return order_.job; }
    const std::string& preset() const { return order_.preset; }
    int64_t seed() const { return order_.overrides.at("seed"); }
    // How many tracks give the audio; 0: this instance alone.
    size_t givers() const { return givers_; }
    const std::string& error() const { return error_; }
    // By kStemNames.
    const std::map<std::string, std::string>& hashes() const { return hashes_; }
    // Of a job that goes on or is done, like its stems.
    const std::vector<float>& track() const { return audio_; }
    std::shared_ptr<StemSet> stems() const { return stems_; }

  private:
    void make_stems(int64_t start);
    void upload(Link& link, int64_t chunks);
    void download(Link& link, const Message& message, const std::string& payload);
    void finish(const Message& message);
    void fail(const std::string& message);
    void end(JobState state);
    int bus_of(const std::string& stem);

    bool is_wanted(const std::string& stem) const;

    Order order_;
    size_t givers_ = 0;
    Kept kept_;
    std::vector<float> audio_;  // stereo
    int64_t frames_ = 0;        // of the stems
    int64_t sent_ = 0;
    std::shared_ptr<StemSet> stems_;
    std::map<std::string, int> buses_;
    std::map<std::string, int64_t> filled_;  // frames of each stem that are here without a gap
    std::map<std::string, Sha256> sums_;     // of what came of them
    std::map<std::string, std::string> hashes_;
    JobState state_ = JobState::waiting;
    double progress_ = 0.0;
    bool anew_ = false;
    std::string error_;
};

}  // namespace stemweave
