#include "core.hpp"

#include <algorithm>
#include <cstring>

namespace stemweave {
namespace {

constexpr uint32_t kSlice = 256;  // inputs are copied by slices, so that an output may overwrite any input

}  // namespace

void Core::prepare(double sample_rate) noexcept {
    if (sample_rate != sample_rate_.exchange(sample_rate)) loop.forget();  // its frames were of the other rate
    own_position_ = 0;
    capture.interrupt();
}

unsigned Core::heard() const noexcept {
    const unsigned alone = soloed.load(std::memory_order_relaxed);
    return (alone ? alone : ~0u) & ~muted.load(std::memory_order_relaxed);
}

void Core::process(const float* const* inputs, float* const* outputs, uint32_t frames, const Transport& host) noexcept {
    Transport now = host;
    if (own_clock.load(std::memory_order_relaxed)) {
        now.rolling = true;
        now.position = own_position_;
        own_position_ += frames;
    } else {
        own_position_ = 0;
    }
    const double rate = sample_rate();
    const bool records = now.rolling && takes_part.load(std::memory_order_relaxed);
    const bool sounds = now.rolling && plays.load(std::memory_order_relaxed);
    const unsigned audible = heard();
    position.store(now.position, std::memory_order_relaxed);
    rolling.store(now.rolling, std::memory_order_relaxed);
    bar.store(240.0 * rate * now.musical.numerator / (now.musical.bpm * now.musical.denominator), std::memory_order_relaxed);
    if (!records) capture.interrupt();
    loop.see(now, frames);

    float left[kSlice];
    float right[kSlice];
    float* outs[kOutputs];
    for (uint32_t done = 0; done < frames; done += kSlice) {
        const uint32_t count = std::min(kSlice, frames - done);
        std::memcpy(left, inputs[0] + done, count * sizeof(float));
        std::memcpy(right, inputs[1] + done, count * sizeof(float));
        for (int i = 0; i < kOutputs; ++i) outs[i] = outputs[i] + done;
        if (records) capture.write(left, right, count, now, rate);
        std::memcpy(outs[0], left, count * sizeof(float));
        std::memcpy(outs[1], right, count * sizeof(float));
        player.process(sounds, now.position, rate, audible, outs + 2, count);
        now.position += count;
        now.ppq += count * now.musical.bpm / (60.0 * rate);
    }
}

}  // namespace stemweave
