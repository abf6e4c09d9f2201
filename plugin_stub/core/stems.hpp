// Stems on the timeline, and the player that puts them out where they belong.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace stemweave {

// The buses after the track itself, in order; a source the model calls otherwise takes the last free one but the residual's.
constexpr std::array<const char*, 5> kStemNames = {"bass", "drums", "guitar", "piano", "residual"};
constexpr int kStems = static_cast<int>(kStemNames.size());

// One finished or growing result. The thread that talks writes frames from `ready` on and moves `ready`; the callback reads below it.
struct StemSet {
    StemSet(double rate, int64_t first, int64_t length) : sample_rate(rate), start(first), frames(length) {
        for (auto& stem : audio) stem.resize(2 * static_cast<size_t>(length));
    }

    const double sample_rate;
    const int64_t start;   // position of the first frame
    const int64_t frames;
    std::array<std::vector<float>, kStems> audio;  // stereo, interleaved
    std::atomic<int64_t> ready{0};
};

class Player {
  public:
    // Any thread but the callback. Null takes the stems away. The last set is kept alive until the callback has let go of it.
    void play(std::shared_ptr<const StemSet> stems);
    // Any thread but the callback: what plays, null where nothing does.
    std::shared_ptr<const StemSet> playing();
    // Any thread but the callback, now and then: frees what was replaced.
    void collect();

    // Callback only: outs are kStems stereo pairs. Silence where there is no stem, at another rate, or while `position` is unknown.
    // heard: a bit for each stem; one that is switched comes or goes within kRamp seconds, so that nothing clicks.
    void process(bool rolling, int64_t position, double sample_rate, unsigned heard, float* const* outs, uint32_t frames) noexcept;

    static constexpr double kRamp = 0.005;

  private:
    const StemSet* acquire() noexcept;

    std::mutex mutex_;  // of all but the callback
    std::shared_ptr<const StemSet> current_;
    std::vector<std::shared_ptr<const StemSet>> retired_;
    std::atomic<const StemSet*> offered_{nullptr};
    std::atomic<const StemSet*> in_use_{nullptr};  // a hazard pointer: what it names is not freed
    std::array<float, kStems> gains_{1.0f, 1.0f, 1.0f, 1.0f, 1.0f};  // of the callback, like the next
    bool sounded_ = false;
};

}  // namespace stemweave
