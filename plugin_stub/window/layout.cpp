#include "window/layout.hpp"

#include <algorithm>
#include <cmath>

namespace stemweave {
namespace {

constexpr float kMargin = 16.0f;
constexpr float kRowsFrom = 74.0f;
constexpr float kTrackHeight = 30.0f;
constexpr float kStemsFrom = 226.0f;
constexpr float kStemHeight = 30.0f;
constexpr float kLaneFrom = 216.0f;
constexpr float kButtonsFrom = 400.0f;
constexpr float kGap = 2.0f;
constexpr double kShortestBar = 0.1;  // seconds; a host that says less knows no tempo
constexpr double kMostCells = 48.0;
constexpr float kMoved = 3.0f;  // by which a click becomes dragging

Box row_at(float y, float height) { return {kMargin, y, kWidth - 2 * kMargin, height - kGap}; }

bool has_something(Range range) { return range.frames() > 0; }

}  // namespace

Box track_row(int row) { return row_at(kRowsFrom + static_cast<float>(row) * kTrackHeight, kTrackHeight); }
Box stem_row(int stem) { return row_at(kStemsFrom + static_cast<float>(stem) * kStemHeight, kStemHeight); }
Box ruler() { return {kLaneFrom, kStemsFrom - 22, row_at(0, 0).right() - kLaneFrom, 20}; }
Box lane(Box row) { return {kLaneFrom, row.y, row.right() - kLaneFrom, row.h}; }

TrackList track_list(const Shown& shown) {
    const auto& members = shown.status.members;
    TrackList list;
    for (size_t i = 0; i < members.size(); ++i) list.rows.push_back(i);
    std::stable_partition(list.rows.begin(), list.rows.end(), [&](size_t i) { return members[i].id == shown.status.me; });
    if (list.rows.size() > kTrackRows) {
        list.more = list.rows.size() - kTrackRows;
        list.rows.resize(kTrackRows);
    }
    return list;
}

Range timeline(const Shown& shown) {
    Range all{INT64_MAX, INT64_MIN};
    const auto add = [&all](Range range) {
        if (has_something(range)) all = {std::min(all.start, range.start), std::max(all.end, range.end)};
    };
    add(shown.status.recorded);
    add(shown.stems);
    for (const Track& track : shown.status.members) add({track.start, track.start + track.frames});
    if (all.start > all.end) all = {0, 0};
    all.end = std::max(all.end, all.start + static_cast<int64_t>(shown.rate));
    return all;
}

float x_of(int64_t position, Range timeline, Box lane) {
    const double share = static_cast<double>(position - timeline.start) / static_cast<double>(timeline.frames());
    return lane.x + lane.w * static_cast<float>(std::clamp(share, 0.0, 1.0));
}

int64_t position_at(float x, Range timeline, Box lane) {
    const double share = std::clamp(static_cast<double>(x - lane.x) / static_cast<double>(lane.w), 0.0, 1.0);
    return timeline.start + std::llround(share * static_cast<double>(timeline.frames()));
}

Range stretch_between(float from, float to, Range timeline) {
    if (std::abs(to - from) < kMoved) return {};
    const int64_t first = position_at(std::min(from, to), timeline, ruler()), last = position_at(std::max(from, to), timeline, ruler());
    return {std::max<int64_t>(0, first), last};
}

double cell_length(const Shown& shown) {
    const double all = static_cast<double>(timeline(shown).frames());
    double length = shown.bar > kShortestBar * shown.rate && std::isfinite(shown.bar) ? shown.bar : 2.0 * shown.rate;
    while (all / length > kMostCells) length *= 2.0;
    return length;
}

std::optional<Cell> cell_at(const Shown& shown, float x, float y) {
    for (int stem = 0; stem < kStems; ++stem) {
        const Box row = lane(stem_row(stem));
        if (!row.holds(x, y) || !shown.is_made(stem)) continue;
        const double length = cell_length(shown);
        const double cell = std::floor(static_cast<double>(position_at(x, timeline(shown), row)) / length);
        const Range range{std::max(std::llround(cell * length), static_cast<long long>(shown.stems.start)),
                          std::min(std::llround((cell + 1) * length), static_cast<long long>(shown.stems.end))};
        if (range.frames() <= 0) return std::nullopt;
        return Cell{stem, range, shown.locks.open(stem, range).frames() <= 0};
    }
    return std::nullopt;
}

std::vector<Spot> spots(const Shown& shown, Page page) {
    std::vector<Spot> all{
        {Action::show_session, 0, {168, 8, 84, 28}, "Session", true, page == Page::session},
        {Action::show_doctor, 0, {256, 8, 84, 28}, "Doctor", true, page == Page::doctor},
    };
    const bool busy = shown.job_is_open();
    const bool has_files = !shown.status.folder.empty();
    const auto button = [&all](Action action, float x, float w, const char* label, bool enabled, bool on = false) {
        all.push_back({action, 0, {x, kButtonsFrom, w, 34}, label, enabled, on});
    };
    if (shown.status.offer != Offer::none) {
        const bool now = shown.status.offer == Offer::make_again;
        if (now || shown.status.offer == Offer::play_first) all.push_back({Action::redo, 0, {592, 473, 112, 34}, "Make again", now, false});
    }
    if (page == Page::doctor) {
        button(Action::reveal, 16, 130, "Reveal files", has_files);
        return all;
    }
    const bool together = !busy && shown.status.tracks > 0;
    button(Action::separate, 16, 88, "Separate", !busy && has_something(shown.status.recorded));
    all.push_back({Action::preset, 0, {16, 377, 192, 20}, "Preset: " + shown.status.preset, shown.next_preset() != shown.status.preset, false});
    button(Action::accompany, 110, 98, "Accompany", together);
    button(Action::infill, 214, 68, "Infill", together);
    button(Action::regenerate, 288, 100, "Regenerate", together);
    button(Action::cancel, 394, 76, "Cancel", busy);
    button(Action::plays, 488, 98, "Play stems", true, shown.plays);
    button(Action::reveal, 592, 112, "Reveal files", has_files);
    const Box mine = track_row(0);
    all.push_back({Action::takes_part, 0, {mine.x + 4, mine.y + 4, 20, 20}, "", true, shown.takes_part});
    all.push_back({Action::role, 0, {mine.x + 128, mine.y + 3, 68, mine.h - 6}, *kRoles[shown.role] ? kRoles[shown.role] : "is...", true, false});
    for (int stem = 0; stem < kStems - 1; ++stem) {
        const Box row = stem_row(stem);
        all.push_back({Action::want, stem, {row.x + 4, row.y + 4, 20, 20}, kStemNames[stem], true, shown.wanted[stem]});
    }
    for (int stem = 0; stem < kStems; ++stem) {
        const Box row = stem_row(stem);
        all.push_back({Action::mute, stem, {row.x + 98, row.y + 4, 20, 20}, "M", true, (shown.muted >> stem & 1) != 0});
        all.push_back({Action::solo, stem, {row.x + 122, row.y + 4, 20, 20}, "S", true, (shown.soloed >> stem & 1) != 0});
    }
    return all;
}

std::optional<Spot> hit(const std::vector<Spot>& spots, float x, float y) {
    for (const Spot& spot : spots) {
        if (spot.enabled && spot.box.holds(x, y)) return spot;
    }
    return std::nullopt;
}

}  // namespace stemweave
