#include "take.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace stemweave {
namespace {

constexpr float kAudible = 3e-5f;  // -90 dBFS

// Of the block that holds a position, also left of zero.
int64_t block_of(int64_t position, int64_t size) {
    return position >= 0 ? position / size : -((-position + size - 1) / size);
}

}  // namespace

void Take::write(const Mark& at, const float* stereo, size_t frames) {
    sample_rate_ = at.sample_rate;
    const auto before = tempo_map_.upper_bound(at.position);
    if (before == tempo_map_.begin() || !(std::prev(before)->second.musical == at.musical)) tempo_map_[at.position] = at;
    const int64_t start = at.position, end = start + static_cast<int64_t>(frames);
    cover(start, end);
    if (at.pass != pass_) {
        pass_ = at.pass;
        pass_start_ = start;
        sounds_ = false;
    }
    const auto is_loud = [](float sample) { return std::abs(sample) > kAudible; };
    const float* const first = std::find_if(stereo, stereo + 2 * frames, is_loud);
    const bool sound = first != stereo + 2 * frames;
    if (sound) {
        const float* last = stereo + 2 * frames - 1;
        while (!is_loud(*last)) --last;
        const Range loud{start + (first - stereo) / 2, start + (last - stereo) / 2 + 1};
        loud_ = loud_.frames() ? Range{std::min(loud_.start, loud.start), std::max(loud_.end, loud.end)} : loud;
    }
    if (sound && !sounds_) put(pass_start_, nullptr, start - pass_start_);  // the silence before it counts as well
    sounds_ = sounds_ || sound;
    if (sounds_) put(start, stereo, end - start);
}

void Take::put(int64_t position, const float* stereo, int64_t frames) {
    while (frames > 0) {
        const int64_t index = block_of(position, kBlock);
        const int64_t offset = position - index * kBlock;
        const int64_t count = std::min(frames, kBlock - offset);
        if (stereo) {
            auto& block = blocks_[index];
            if (!block) block = std::make_unique<Block>();
            std::memcpy(block->audio.data() + 2 * offset, stereo, static_cast<size_t>(count) * 2 * sizeof(float));
            stereo += 2 * count;
            measure(*block, offset, count);
        } else if (const auto found = blocks_.find(index); found != blocks_.end()) {
            std::fill_n(found->second->audio.data() + 2 * offset, 2 * count, 0.0f);
            measure(*found->second, offset, count);
        }
        position += count;
        frames -= count;
    }
}

void Take::read(int64_t position, float* stereo, size_t frames) const {
    while (frames > 0) {
        const int64_t index = block_of(position, kBlock);
        const int64_t offset = position - index * kBlock;
        const size_t count = std::min<size_t>(frames, kBlock - offset);
        const auto found = blocks_.find(index);
        if (found == blocks_.end()) {
            std::memset(stereo, 0, count * 2 * sizeof(float));
        } else {
            std::memcpy(stereo, found->second->audio.data() + 2 * offset, count * 2 * sizeof(float));
        }
        position += count;
        stereo += 2 * count;
        frames -= count;
    }
}

void Take::measure(Block& block, int64_t offset, int64_t frames) {
    for (int64_t part = offset / kPart; part * kPart < offset + frames; ++part) {
        const float* audio = block.audio.data() + 2 * part * kPart;
        float peak = 0.0f;
        for (int64_t i = 0; i < 2 * kPart; ++i) peak = std::max(peak, std::abs(audio[i]));
        block.peaks[part] = std::min(peak, 1.0f);
    }
}

std::vector<float> Take::outline(size_t columns) const {
    std::vector<float> peaks(columns);
    const Range all = sounding();
    for (const auto& [index, block] : blocks_) {
        for (int64_t part = 0; part < kBlock / kPart; ++part) {
            const int64_t start = std::max(index * kBlock + part * kPart, all.start), end = std::min(index * kBlock + (part + 1) * kPart, all.end);
            if (start >= end) continue;
            const size_t first = static_cast<size_t>(start - all.start) * columns / static_cast<size_t>(all.frames());
            const size_t last = static_cast<size_t>(end - 1 - all.start) * columns / static_cast<size_t>(all.frames());
            for (size_t column = first; column <= last; ++column) peaks[column] = std::max(peaks[column], block->peaks[part]);
        }
    }
    return peaks;
}

void Take::clear() {
    sample_rate_ = 0.0;
    blocks_.clear();
    ranges_.clear();
    tempo_map_.clear();
    loud_ = {};
    pass_ = 0;
    sounds_ = false;
}

Range Take::hull() const {
    return ranges_.empty() ? Range{} : Range{ranges_.begin()->first, ranges_.rbegin()->second};
}

// By samples, not by the pieces in which they came: the same song played again is the same job.
Range Take::sounding() const {
    if (loud_.frames() == 0) return {};
    return {std::max(loud_.start - kAround, around(loud_.start).start), std::min(loud_.end + kAround, around(loud_.end - 1).end)};
}

Range Take::around(int64_t position) const {
    const auto found = std::prev(ranges_.upper_bound(position));
    return {found->first, found->second};
}

std::vector<Range> Take::ranges() const {
    std::vector<Range> ranges;
    for (const auto& [start, end] : ranges_) ranges.push_back({start, end});
    return ranges;
}

void Take::cover(int64_t start, int64_t end) {
    auto next = ranges_.upper_bound(start);
    if (next != ranges_.begin() && std::prev(next)->second >= start) {
        --next;
        start = next->first;
    }
    while (next != ranges_.end() && next->first <= end) {
        end = std::max(end, next->second);
        next = ranges_.erase(next);
    }
    ranges_[start] = end;
}

}  // namespace stemweave
