#include "stems.hpp"

#include <algorithm>
#include <cstring>

namespace stemweave {

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

void Player::process(bool rolling, int64_t position, double sample_rate, float* const* outs, uint32_t frames) noexcept {
    const StemSet* set = rolling ? acquire() : nullptr;
    int64_t from = 0;
    int64_t until = 0;  // frames of the block that the stems cover
    if (set && set->sample_rate == sample_rate) {
        from = std::clamp<int64_t>(set->start - position, 0, frames);
        until = std::clamp<int64_t>(set->start + set->ready.load(std::memory_order_acquire) - position, from, frames);
    }
    for (int stem = 0; stem < kStems; ++stem) {
        for (int side = 0; side < 2; ++side) {
            float* out = outs[2 * stem + side];
            std::fill(out, out + from, 0.0f);
            if (until > from) {
                const float* source = set->audio[stem].data() + 2 * (position + from - set->start) + side;
                for (int64_t i = from; i < until; ++i, source += 2) out[i] = *source;
            }
            std::fill(out + until, out + frames, 0.0f);
        }
    }
    in_use_.store(nullptr, std::memory_order_release);
}

}  // namespace stemweave
