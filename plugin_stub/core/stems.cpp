#include "stems.hpp"

#include <algorithm>
#include <cstring>

namespace stemweave {
namespace {

// source: interleaved. Bit for bit where the gain is one, nothing at all where it is none.
void put(const float* source, float& gain, float goal, float step, float* left, float* right, int64_t frames) noexcept {
    int64_t i = 0;
    for (; i < frames && gain != goal; ++i) {
        gain = gain < goal ? std::min(goal, gain + step) : std::max(goal, gain - step);
        left[i] = source[2 * i] * gain;
        right[i] = source[2 * i + 1] * gain;
    }
    if (goal == 0.0f) {
        std::fill(left + i, left + frames, 0.0f);
        std::fill(right + i, right + frames, 0.0f);
        return;
    }
    for (; i < frames; ++i) {
        left[i] = source[2 * i];
        right[i] = source[2 * i + 1];
    }
}

}  // namespace

void Player::play(std::shared_ptr<const StemSet> stems) {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        offered_.store(stems.get());
        if (current_) retired_.push_back(std::move(current_));
        current_ = std::move(stems);
    }
    collect();
}

std::shared_ptr<const StemSet> Player::playing() {
    std::lock_guard<std::mutex> lock(mutex_);
    return current_;
}

void Player::collect() {
    std::lock_guard<std::mutex> lock(mutex_);
    const StemSet* used = in_use_.load();
    retired_.erase(std::remove_if(retired_.begin(), retired_.end(), [used](const auto& set) { return set.get() != used; }),
                   retired_.end());
}

// Bounded: after three changes in a row this block stays silent rather than wait.
const StemSet* Player::acquire() noexcept {
    for (int tries = 0; tries < 3; ++tries) {
        const StemSet* set = offered_.load();
        in_use_.store(set);
        if (offered_.load() == set) return set;
    }
    in_use_.store(nullptr);
    return nullptr;
}

void Player::process(bool rolling, int64_t position, double sample_rate, unsigned heard, float* const* outs, uint32_t frames) noexcept {
    const StemSet* set = rolling ? acquire() : nullptr;
    int64_t from = 0;
    int64_t until = 0;  // frames of the block that the stems cover
    if (set && set->sample_rate == sample_rate) {
        from = std::clamp<int64_t>(set->start - position, 0, frames);
        until = std::clamp<int64_t>(set->start + set->ready.load(std::memory_order_acquire) - position, from, frames);
    }
    const auto step = static_cast<float>(1.0 / (kRamp * sample_rate));
    for (int stem = 0; stem < kStems; ++stem) {
        const float goal = heard >> stem & 1 ? 1.0f : 0.0f;
        float* const pair[2] = {outs[2 * stem], outs[2 * stem + 1]};
        for (float* out : pair) {
            std::fill(out, out + from, 0.0f);
            std::fill(out + until, out + frames, 0.0f);
        }
        if (!sounded_) gains_[stem] = goal;  // what was switched in silence begins as it is: nothing can click
        if (until == from) continue;
        const float* source = set->audio[stem].data() + 2 * (position + from - set->start);
        put(source, gains_[stem], goal, step, pair[0] + from, pair[1] + from, until - from);
    }
    sounded_ = until > from;
    in_use_.store(nullptr, std::memory_order_release);
}

}  // namespace stemweave
