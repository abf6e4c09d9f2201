// Everything the audio callback does, without any plug-in framework: record the track, pass it through, play the stems.
#pragma once

#include <atomic>
#include <cstdint>

#include "capture.hpp"
#include "loop.hpp"
#include "stems.hpp"
#include "transport.hpp"

namespace stemweave {

constexpr int kInputs = 2;
constexpr int kOutputs = 2 + 2 * kStems;

class Core {
  public:
    // Not while process() runs: a new sample rate (hosts say so before they start the callback), a fresh own clock.
    void prepare(double sample_rate) noexcept;

    // The callback. Never waits, allocates or calls the system. Inputs and outputs may be the same buffers in any combination;
    // frames: any number.
    void process(const float* const* inputs, float* const* outputs, uint32_t frames, const Transport& host) noexcept;

    // Switches, from any thread.
    std::atomic<bool> takes_part{true};  // record what passes
    std::atomic<bool> plays{true};       // put the stems out
    std::atomic<bool> own_clock{false};  // for hosts without a timeline: time begins when it is switched on

    // Which stems are heard, from any thread: a bit for each of kStemNames. Where any is soloed the others are not, nor is a muted one.
    std::atomic<unsigned> muted{0};
    std::atomic<unsigned> soloed{0};
    unsigned heard() const noexcept;

    // What the callback last saw, for the window; any thread.
    std::atomic<int64_t> position{0};
    std::atomic<bool> rolling{false};
    std::atomic<double> bar{0.0};  // frames

    double sample_rate() const noexcept { return sample_rate_.load(std::memory_order_relaxed); }

    Capture capture;
    LoopWatch loop;
    Player player;

  private:
    std::atomic<double> sample_rate_{48000.0};
    int64_t own_position_ = 0;
};

}  // namespace stemweave
