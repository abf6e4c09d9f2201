#include "capture.hpp"

namespace stemweave {

Capture::Capture(size_t frames) : mask_(frames - 1), ring_(2 * frames) {}

void Capture::write(const float* left, const float* right, uint32_t frames, const Transport& at, double sample_rate) noexcept {
    const uint64_t written = written_.load(std::memory_order_relaxed);
    const uint64_t free = mask_ + 1 - (written - read_.load(std::memory_order_acquire));
    const bool goes_on = joined_ && at.position == expected_ && sample_rate == sample_rate_;
    const bool marked = goes_on && at.musical == musical_;
    if (!goes_on) ++pass_;
    if (free < frames || (!marked && !marks_.push({written, at.position, at.ppq, sample_rate, at.musical, pass_}))) {
        lost_.fetch_add(frames, std::memory_order_relaxed);
        joined_ = false;
        return;
    }
    for (uint32_t i = 0; i < frames; ++i) {
        float* frame = &ring_[2 * ((written + i) & mask_)];
        frame[0] = left[i];
        frame[1] = right[i];
    }
    written_.store(written + frames, std::memory_order_release);
    joined_ = true;
    expected_ = at.position + frames;
    sample_rate_ = sample_rate;
    musical_ = at.musical;
}

}  // namespace stemweave
