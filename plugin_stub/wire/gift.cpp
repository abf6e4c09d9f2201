#include "gift.hpp"

#include <algorithm>

namespace stemweave {
namespace {

constexpr int64_t kMostChunks = 64;  // that a server takes at once

}  // namespace

Gift::Gift(const Message& asked)
    : job_(asked.text("job")), offset_(asked.integer("offset")), position_(asked.integer("position")),
      frames_(asked.integer("frames")), mono_(asked.integer("channels", 2) == 1) {
    const int64_t farthest = int64_t{1} << 60;
    if (frames_ < 0 || frames_ > farthest || position_ < -farthest || position_ > farthest || offset_ < 0 || offset_ > farthest) frames_ = 0;
}

void Gift::send(Link& link, const Take& take, int64_t chunks) {
    const int64_t channels = mono_ ? 1 : 2;
    const int64_t size = kChunkBytes / (channels * static_cast<int64_t>(sizeof(float)));
    chunks = std::min(chunks, kMostChunks);  // not all that a server grants which has no measure
    for (; chunks > 0 && sent_ < frames_; --chunks) {
        const int64_t frames = std::min(size, frames_ - sent_);
        piece_.resize(2 * static_cast<size_t>(frames));
        take.read(position_ + sent_, piece_.data(), static_cast<size_t>(frames));
        if (mono_) {
            for (int64_t i = 0; i < frames; ++i) piece_[i] = (piece_[2 * i] + piece_[2 * i + 1]) / 2;
        }
        const size_t bytes = static_cast<size_t>(frames * channels) * sizeof(float);
        if (!link.send(chunk(job_, "", offset_ + sent_, piece_.data(), bytes), piece_.data(), bytes)) return;
        sent_ += frames;
    }
}

}  // namespace stemweave
