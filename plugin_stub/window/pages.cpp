#include "window/pages.hpp"

#include <algorithm>
#include <cmath>

#include "window/words.hpp"

namespace stemweave {
namespace {

Colour connection_colour(const Shown& shown) {
    if (shown.status.connection == Connection::connected) return theme::kGood;
    return shown.is_looking() ? theme::kWaiting : theme::kBad;
}

void draw_header(Pen& pen, const Shown& shown) {
    pen.fill(kHeader, theme::kPanel);
    pen.text({16, 0, 150, kHeader.h}, "stemweave", theme::kText, theme::kTitle);
    const bool there = shown.status.connection == Connection::connected || shown.is_looking();
    const std::string words = connection_line(shown) + (there ? ": " + shown.status.server : "");
    pen.dot(392, kHeader.h / 2, 5, connection_colour(shown));
    pen.text({404, 0, 304, kHeader.h}, words, theme::kText, theme::kNormal);
}

// Where something is to be made anew, behind whatever lies there.
void draw_stretch(Pen& pen, Range stretch, Range all, Box time) {
    const float from = x_of(stretch.start, all, time), to = x_of(stretch.end, all, time);
    pen.fill({from, time.y, to - from, time.h}, theme::kEdge);
    pen.upright(from, time.y, time.bottom(), theme::kTrack);
    pen.upright(to, time.y, time.bottom(), theme::kTrack);
}

// Where one cell of the grid ends and the next begins.
void draw_cells(Pen& pen, const Shown& shown, Range all) {
    const double length = cell_length(shown);
    for (double cell = std::ceil(static_cast<double>(all.start) / length); cell * length < static_cast<double>(all.end); ++cell) {
        const float x = x_of(std::llround(cell * length), all, ruler());
        pen.upright(x, ruler().bottom(), stem_row(kStems - 1).bottom(), theme::kGround);
    }
}

// What a stem's row holds: a lock where a track gives it, what was made, stripes where it will be.
void draw_stem(Pen& pen, const Shown& shown, int stem, Range all) {
    const Box row = stem_row(stem), time = lane(row);
    const Colour colour = shown.heard >> stem & 1 ? theme::kStems[stem] : theme::kFaint;
    pen.fill(row, theme::kPanel, 4);
    const Range stretch = shown.status.stretch;
    if (stretch.frames() > 0) draw_stretch(pen, stretch, all, time);
    const bool given = shown.is_given(stem);
    const bool wanted = stem == kStems - 1 || shown.wanted[stem];
    pen.text({row.x + 34, row.y, 62, row.h}, kStemNames[stem], wanted ? theme::kText : theme::kFaint, theme::kNormal);
    if (given) {
        pen.lock(row.x + 148, row.y + 8, theme::kDim);
        pen.text({row.x + 162, row.y, 38, row.h}, "given", theme::kDim, theme::kSmall);
    }
    for (const Range& locked : shown.locks.of(stem)) {
        const float from = x_of(locked.start, all, time), to = x_of(locked.end, all, time);
        pen.fill({from, time.y, to - from, time.h}, theme::kLocked);
    }
    if (shown.stems.frames() > 0) {
        const float from = x_of(shown.stems.start, all, time), to = x_of(shown.stems.end, all, time);
        const float seen = x_of(shown.stems.start + shown.seen, all, time);
        if (shown.job_is_open() && wanted && !given) pen.stripes({seen, time.y, to - seen, time.h}, theme::kEdge);
        const auto& peaks = shown.peaks[stem];
        const auto columns = static_cast<size_t>(shown.seen * StemPeaks::kColumns / shown.stems.frames());
        if (columns > 0) pen.wave({from, time.y, (to - from) * static_cast<float>(columns) / StemPeaks::kColumns, time.h}, peaks.data(), columns, colour);
    }
    for (const Range& locked : shown.locks.of(stem)) pen.lock(x_of(locked.start, all, time) + 3, time.y + 2, theme::kText);
}

void draw_track(Pen& pen, const Shown& shown, size_t member, int row_index, Range all) {
    const Track& track = shown.status.members[member];
    const bool mine = track.id == shown.status.me;
    const Box row = track_row(row_index), time = lane(row);
    pen.fill(row, theme::kPanel, 4);
    const Colour colour = track.takes_part ? theme::kText : theme::kFaint;
    pen.text({row.x + 34, row.y, 92, row.h}, name_of(track, member + 1, mine), colour, theme::kNormal);
    if (!mine) {
        pen.dot(row.x + 14, row.y + row.h / 2, 3, track.takes_part ? theme::kTrack : theme::kFaint);
        pen.text({row.x + 136, row.y, 60, row.h}, track.role, theme::kDim, theme::kSmall);
    }
    if (track.frames <= 0) return pen.text({time.x + 8, time.y, time.w - 8, time.h}, "nothing recorded yet", theme::kFaint, theme::kSmall);
    const float from = x_of(track.start, all, time), to = x_of(track.start + track.frames, all, time);
    const Colour line = track.takes_part ? theme::kTrack : theme::kFaint;
    const auto& peaks = shown.outlines[member].peaks;
    if (peaks.empty()) pen.fill({from, time.y + time.h / 2 - 2, to - from, 4}, line, 2);
    else pen.wave({from, time.y, to - from, time.h}, peaks.data(), peaks.size(), line);
}

void draw_session(Pen& pen, const Shown& shown) {
    const Range all = timeline(shown);
    const TrackList list = track_list(shown);
    std::string title = "Tracks in this session";
    if (list.more > 0) title += " (" + std::to_string(list.more) + " more are not shown)";
    pen.text({16, 50, 480, 22}, title, theme::kDim, theme::kSmall);
    for (size_t row = 0; row < list.rows.size(); ++row) draw_track(pen, shown, list.rows[row], static_cast<int>(row), all);
    if (list.rows.empty()) {
        const Box row = track_row(0);
        pen.fill(row, theme::kPanel, 4);
        pen.text({row.x + 34, row.y, 92, row.h}, "This track", theme::kText, theme::kNormal);
        if (shown.status.recorded.frames() > 0) {
            const Box time = lane(row);
            const float from = x_of(shown.status.recorded.start, all, time), to = x_of(shown.status.recorded.end, all, time);
            pen.fill({from, time.y + time.h / 2 - 2, to - from, 4}, theme::kTrack, 2);
        }
    }
    const Box first = lane(track_row(0)), last = lane(stem_row(kStems - 1));
    const Range stretch = shown.status.stretch;
    const std::string anew = stretch.frames() > 0 ? "; anew from " + time_of(stretch.start, shown.rate) + " to " + time_of(stretch.end, shown.rate) : "";
    pen.text({16, stem_row(0).y - 22, 200, 22}, "Stems" + anew, theme::kDim, theme::kSmall);
    pen.fill(ruler(), theme::kPanel, 4);
    if (stretch.frames() > 0) draw_stretch(pen, stretch, all, ruler());
    pen.text({ruler().x + 6, ruler().y, 100, ruler().h}, time_of(all.start, shown.rate), theme::kDim, theme::kSmall);
    pen.text({ruler().right() - 50, ruler().y, 50, ruler().h}, time_of(all.end, shown.rate), theme::kDim, theme::kSmall);
    for (int stem = 0; stem < kStems; ++stem) draw_stem(pen, shown, stem, all);
    draw_cells(pen, shown, all);
    if (shown.position >= all.start && shown.position <= all.end) {
        pen.upright(x_of(shown.position, all, first), first.y, last.bottom(), theme::kText);
    }
}

void draw_doctor(Pen& pen, const Shown& shown) {
    const auto [health, words] = diagnosis(shown);
    pen.text({16, 52, 150, 24}, "Diagnosis", theme::kDim, theme::kNormal);
    pen.paragraph({170, 56, 534, 34}, words, health == Health::well ? theme::kGood : health == Health::waiting ? theme::kWaiting : theme::kBad, theme::kNormal);
    float y = 92;
    for (const auto& [what, value] : findings(shown)) {
        const bool long_text = what == "Last error";
        const float height = long_text ? 40.0f : 21.0f;
        pen.text({16, y, 150, 21}, what, theme::kDim, theme::kNormal);
        if (long_text) pen.paragraph({170, y + 4, 534, height - 6}, value, theme::kText, theme::kNormal);
        else pen.text({170, y, 534, 21}, value, theme::kText, theme::kNormal);
        y += height;
    }
}

void draw_state(Pen& pen, const Shown& shown) {
    const bool shows_share = shown.job_is_open() || shown.status.job == JobState::done;
    pen.progress(kProgress, shows_share ? shown.status.progress : 0.0, job_line(shown));
    const std::string wrong = trouble(shown);
    if (wrong.empty()) return;
    const float beside = shown.status.offer == Offer::none ? 0.0f : 124.0f;  // its button
    pen.paragraph({kTrouble.x, kTrouble.y, kTrouble.w - beside, kTrouble.h}, wrong, theme::kBad, theme::kNormal);
}

void draw_spot(Pen& pen, const Spot& spot) {
    switch (spot.action) {
    case Action::show_session:
    case Action::show_doctor: return pen.tab(spot);
    case Action::takes_part: return pen.check(spot, theme::kTrack);
    case Action::want: return pen.check(spot, theme::kStems[spot.index]);
    case Action::mute: return pen.letter(spot, theme::kWaiting);
    case Action::solo: return pen.letter(spot, theme::kGood);
    default: return pen.button(spot);
    }
}

}  // namespace

void draw(Pen& pen, const Shown& shown, Page page, const std::vector<Spot>& spots) {
    pen.fill({0, 0, kWidth, kHeight}, theme::kGround);
    draw_header(pen, shown);
    if (page == Page::session) draw_session(pen, shown);
    else draw_doctor(pen, shown);
    for (const Spot& spot : spots) draw_spot(pen, spot);
    draw_state(pen, shown);
}

}  // namespace stemweave
