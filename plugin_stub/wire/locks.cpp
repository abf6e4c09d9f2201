#include "wire/locks.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace stemweave {
namespace {

constexpr double kFade = 0.005;  // seconds

Range common(Range a, Range b) { return {std::max(a.start, b.start), std::min(a.end, b.end)}; }

}  // namespace

void Locks::set(int stem, Range range, bool locked) {
    if (range.frames() <= 0) return;
    std::vector<Range> now;
    for (const Range& old : of(stem)) {
        if (!locked) {
            const Range before{old.start, std::min(old.end, range.start)}, after{std::max(old.start, range.end), old.end};
            if (before.frames() > 0) now.push_back(before);
            if (after.frames() > 0) now.push_back(after);
        } else if (common(old, range).frames() >= 0) {
            range = {std::min(old.start, range.start), std::max(old.end, range.end)};
        } else {
            now.push_back(old);
        }
    }
    if (locked) now.push_back(range);
    std::sort(now.begin(), now.end(), [](const Range& a, const Range& b) { return a.start < b.start; });
    ranges_[static_cast<size_t>(stem)] = std::move(now);
}

Range Locks::open(int stem, Range range) const {
    for (const Range& lock : of(stem)) {
        if (lock.start <= range.start && lock.end > range.start) range.start = std::min(lock.end, range.end);
        if (lock.end >= range.end && lock.start < range.end) range.end = std::max(lock.start, range.start);
    }
    return range;
}

std::string Locks::text() const {
    std::ostringstream out;
    for (int stem = 0; stem < kStems; ++stem) {
        for (const Range& range : of(stem)) out << kStemNames[stem] << ' ' << range.start << ' ' << range.end << '\n';
    }
    return out.str();
}

Locks Locks::read(const std::string& text) {
    const int64_t farthest = int64_t{1} << 60;
    Locks locks;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name;
        Range range;
        if (!(words >> name >> range.start >> range.end) || range.start < -farthest || range.end > farthest) continue;
        const auto stem = std::find(kStemNames.begin(), kStemNames.end(), name);
        if (stem != kStemNames.end() && range.frames() > 0) locks.set(static_cast<int>(stem - kStemNames.begin()), range, true);
    }
    return locks;
}

Kept Kept::of(std::shared_ptr<const StemSet> stems, const Locks& locks, double sample_rate) {
    if (!stems || stems->sample_rate != sample_rate) return {};
    Kept kept{stems, {}};
    for (int stem = 0; stem < kStems; ++stem) {
        const auto& audio = stems->audio[stem];
        if (locks.of(stem).empty() || std::none_of(audio.begin(), audio.end(), [](float sample) { return sample != 0.0f; })) continue;
        for (const Range& lock : locks.of(stem)) {
            const Range there = common(lock, {stems->start, stems->start + stems->frames});
            if (there.frames() > 0) kept.locks.set(stem, there, true);
        }
    }
    if (kept.locks == Locks()) return {};  // no set of stems is held for nothing
    return kept;
}

void Kept::copy(int stem, StemSet& to) const {
    const Range both = common({stems->start, stems->start + stems->frames}, {to.start, to.start + to.frames});
    if (both.frames() <= 0) return;
    const float* from = stems->audio[stem].data() + 2 * (both.start - stems->start);
    std::copy_n(from, 2 * both.frames(), to.audio[stem].data() + 2 * (both.start - to.start));
}

void Kept::lay_over(StemSet& made, int stem, int64_t from, int64_t to) const {
    const int64_t fade = std::llround(kFade * made.sample_rate);
    for (const Range& lock : locks.of(stem)) {
        const Range there = common({lock.start - fade, lock.end + fade}, {stems->start, stems->start + stems->frames});
        const Range now = common(there, {made.start + from, made.start + to});
        for (int64_t at = now.start; at < now.end; ++at) {
            const int64_t outside = std::max<int64_t>({0, lock.start - at, at - lock.end + 1});
            const float* old = stems->audio[stem].data() + 2 * (at - stems->start);
            float* out = made.audio[stem].data() + 2 * (at - made.start);
            const float share = 1.0f - static_cast<float>(outside) / static_cast<float>(fade + 1);
            for (int side = 0; side < 2; ++side) out[side] = outside == 0 ? old[side] : out[side] + share * (old[side] - out[side]);
        }
    }
}

}  // namespace stemweave
