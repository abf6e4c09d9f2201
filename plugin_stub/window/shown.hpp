// Everything the window draws, as plain values: a picture of one moment.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/stems.hpp"
#include "wire/talker.hpp"
#include "wire/gallery.hpp"
#include "window/peaks.hpp"

namespace stemweave {

struct Shown {
    Status status;
    std::array<bool, kStems> wanted{true, true, true, true, false};
    std::array<StemPeaks::Columns, kStems> peaks{};
    Range stems;          // where the stems that play lie
    int64_t seen = 0;     // frames of them that are drawn
    std::vector<Outline> outlines;  // of status.members, empty where it is not known here
    double stems_rate = 48000.0;  // at which they were made
    double rate = 48000.0;        // the host's
    int64_t position = 0;  // of the host's transport
    bool rolling = false;
    double bar = 0.0;      // frames, by the host's tempo
    Locks locks;
    bool takes_part = true;
    bool plays = true;
    int role = 0;
    unsigned muted = 0;   // a bit for each stem
    unsigned soloed = 0;
    unsigned heard = ~0u;  // what follows from the two
    std::optional<double> seconds_left;

    bool job_is_open() const {
        return status.job == JobState::waiting || status.job == JobState::uploading || status.job == JobState::running;
    }
    // Of the presets that separate, the one after that which is chosen; the same where the server has no other.
    std::string next_preset() const;
    // Where it is another than they were made at, stems are silent.
    bool is_stems_rate() const { return stems.frames() <= 0 || stems_rate == rate; }
    // For the first time: once it is known that nobody answers, looking again is no news.
    bool is_looking() const { return status.connection == Connection::greeting && status.message.empty(); }
    // A source that a track of the session is said to play, and that is listened to: known, so nothing makes it anew.
    bool is_given(int stem) const;
    // Something was made of it that can be kept.
    bool is_made(int stem) const;
};

}  // namespace stemweave
