#include "window/peaks.hpp"

#include <algorithm>
#include <cmath>

namespace stemweave {

bool StemPeaks::follow(std::shared_ptr<const StemSet> stems, int64_t budget) {
    if (shown_.lock() != stems || (!stems && seen_ > 0)) {
        shown_ = stems;
        columns_ = {};
        seen_ = 0;
    }
    if (!stems || stems->frames <= 0) return false;
    const int64_t ready = stems->ready.load(std::memory_order_acquire);
    const int64_t until = std::min(ready, seen_ + budget);
    while (seen_ < until) {
        const int64_t column = seen_ * kColumns / stems->frames;
        const int64_t end = std::min(until, ((column + 1) * stems->frames + kColumns - 1) / kColumns);
        for (int stem = 0; stem < kStems; ++stem) {
            float& peak = columns_[stem][column];
            const float* audio = stems->audio[stem].data();
            for (int64_t i = 2 * seen_; i < 2 * end; ++i) peak = std::max(peak, std::abs(audio[i]));
            peak = std::min(peak, 1.0f);
        }
        seen_ = end;
    }
    return seen_ < ready;
}

}  // namespace stemweave
