// What a track played, by position on the host's timeline. Belongs to the thread that talks; the callback never sees it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "capture.hpp"

namespace stemweave {

struct Range {
    int64_t start = 0;
    int64_t end = 0;

    int64_t frames() const { return end - start; }
    bool operator==(const Range& other) const { return start == other.start && end == other.end; }
};

class Take {
  public:
    // Put stereo frames where they belong, all of one sample rate; the latest pass over a position is the one that counts (loops,
    // punch-in). A pass takes nothing away until something sounds in it (above -90 dBFS): hosts run a track that is muted, or not
    // even part of what is played, on silence.
    void write(const Mark& at, const float* stereo, size_t frames);

    // Stereo frames from `position` on; silence where nothing was recorded.
    void read(int64_t position, float* stereo, size_t frames) const;

    void clear();
    bool empty() const { return ranges_.empty(); }
    double sample_rate() const { return sample_rate_; }

    // From the first recorded frame to the last, holes included.
    Range hull() const;
    // From the first frame that sounds to the last, and at most kAround frames of what was recorded before and after: what is worth
    // a job. Empty where nothing sounds.
    Range sounding() const;
    static constexpr int64_t kAround = 48000;
    // What was recorded, in order, without overlap.
    std::vector<Range> ranges() const;
    // The largest sample, up to 1, in each of so many equal parts of what sounds; to within 1024 frames.
    std::vector<float> outline(size_t columns) const;
    // Tempo and signature by the position from which they hold.
    const std::map<int64_t, Mark>& tempo_map() const { return tempo_map_; }

  private:
    static constexpr int64_t kBlock = 1 << 14;
    static constexpr int64_t kPart = 1 << 10;
    struct Block {
        std::array<float, 2 * kBlock> audio{};
        std::array<float, kBlock / kPart> peaks{};
    };

    void cover(int64_t start, int64_t end);
    // Copies frames to their blocks, or puts silence where there is none to copy.
    void put(int64_t position, const float* stereo, int64_t frames);
    static void measure(Block& block, int64_t offset, int64_t frames);
    // The stretch of what was recorded that holds a position.
    Range around(int64_t position) const;

    double sample_rate_ = 0.0;
    std::map<int64_t, std::unique_ptr<Block>> blocks_;
    std::map<int64_t, int64_t> ranges_;  // start to end
    std::map<int64_t, Mark> tempo_map_;
    Range loud_;             // from the first sample that ever sounded to the last
    uint64_t pass_ = 0;      // the pass that goes on
    int64_t pass_start_ = 0;
    bool sounds_ = false;  // something was heard in it
};

}  // namespace stemweave
