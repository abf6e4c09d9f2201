// Where everything lies in the window, in points: 720 x 520 of them, whatever the screen's scale.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "window/shown.hpp"

namespace stemweave {

constexpr float kWidth = 720.0f;
constexpr float kHeight = 520.0f;
constexpr int kTrackRows = 4;

enum class Page { session, doctor };

struct Box {
    float x, y, w, h;

    bool holds(float px, float py) const { return px >= x && px < x + w && py >= y && py < y + h; }
    float right() const { return x + w; }
    float bottom() const { return y + h; }
};

enum class Action { show_session, show_doctor, separate, redo, preset, accompany, infill, regenerate, cancel, plays, reveal, takes_part, role, want, mute, solo };

// Something that can be clicked.
struct Spot {
    Action action;
    int index;  // of the stem, for `want`, `mute` and `solo`
    Box box;
    std::string label;
    bool enabled;
    bool on;  // for switches
};

constexpr Box kHeader{0, 0, kWidth, 44};
constexpr Box kProgress{16, 440, 688, 22};
constexpr Box kTrouble{16, 470, 688, 40};

Box track_row(int row);
Box stem_row(int stem);
// Above the stems' lanes; a stretch is chosen by dragging over it.
Box ruler();
// The part of a row that is a picture of time.
Box lane(Box row);

// Rows of the track list: members by index, this instance's first; what does not fit is counted in `more`.
struct TrackList {
    std::vector<size_t> rows;
    size_t more = 0;
};
TrackList track_list(const Shown& shown);

// From the first frame that anything covers to the last; at least a second, so that there is a picture.
Range timeline(const Shown& shown);
// Where on a lane a position lies.
float x_of(int64_t position, Range timeline, Box lane);
// The position that lies there; beside the lane, that of its nearer end.
int64_t position_at(float x, Range timeline, Box lane);
// Rows of the grid have cells of a bar, of two, four, ... where bars would be too narrow. Frames.
double cell_length(const Shown& shown);

// A cell that can be locked.
struct Cell {
    int stem;
    Range range;
    bool locked;
};
// That lies there; nothing beside the stems and in those that were not made.
std::optional<Cell> cell_at(const Shown& shown, float x, float y);

// What was chosen by dragging from one place to another; empty for a click, which hardly moved.
Range stretch_between(float from, float to, Range timeline);

std::vector<Spot> spots(const Shown& shown, Page page);
// What lies under the pointer and can be used.
std::optional<Spot> hit(const std::vector<Spot>& spots, float x, float y);

}  // namespace stemweave
