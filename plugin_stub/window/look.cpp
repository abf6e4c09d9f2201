#include "window/look.hpp"

#include <chrono>
#include <cmath>
#include <sstream>

#include "window/layout.hpp"
#include "window/words.hpp"

namespace stemweave {
namespace {

constexpr int64_t kFramesAtOnce = 1 << 19;  // of stems whose peaks are looked for: some 10 ms

// Differs wherever the drawn picture would.
std::string signature(const Shown& shown) {
    std::ostringstream out;
    for (const auto& [what, value] : findings(shown)) out << what << value << '\n';
    out << diagnosis(shown).second << static_cast<int>(shown.status.offer) << shown.status.preset << shown.next_preset();
    out << job_line(shown) << trouble(shown) << shown.status.progress << ' ' << shown.seen << ' ' << shown.status.stretch.start << ' ' << shown.status.stretch.end << ' ' << shown.stems.start << ' ' << shown.stems.end;
    for (const Track& track : shown.status.members) out << track.name << track.role << track.start << ' ' << track.frames << track.takes_part;
    for (const Outline& outline : shown.outlines) {
        float sum = 0.0f;
        for (const float peak : outline.peaks) sum = sum * 0.9f + peak;
        out << ' ' << sum;
    }
    for (const bool wanted : shown.wanted) out << wanted;
    out << shown.takes_part << shown.plays << shown.role << ' ' << shown.muted << ' ' << shown.soloed << ' ' << std::llround(shown.bar) << shown.locks.text();
    const Range all = timeline(shown);
    out << ' ' << std::lround(x_of(shown.position, all, lane(track_row(0))));
    return out.str();
}

}  // namespace

bool Looker::look(const Core& core, const Talker& talker, Shown& shown) {
    shown.status = talker.status();
    if (!could_reveal_ && shown.status.message.empty()) {
        shown.status.message = "No file manager could be opened. The files are in " + shown.status.folder;
    }
    shown.rate = core.sample_rate();
    shown.position = core.position;
    shown.rolling = core.rolling;
    shown.bar = core.bar;
    shown.locks = talker.locks();
    shown.takes_part = core.takes_part;
    shown.plays = core.plays;
    shown.role = talker.role();
    shown.muted = core.muted;
    shown.soloed = core.soloed;
    shown.heard = core.heard();
    for (int stem = 0; stem < kStems - 1; ++stem) shown.wanted[stem] = talker.wants(stem);
    shown.outlines.clear();
    for (const Track& track : shown.status.members) shown.outlines.push_back(outline_of(track.id));

    const auto stems = talker.stems();
    peaks_.follow(stems, kFramesAtOnce);
    for (int stem = 0; stem < kStems; ++stem) shown.peaks[stem] = peaks_.of(stem);
    shown.stems = stems ? Range{stems->start, stems->start + stems->frames} : Range{};
    shown.stems_rate = stems ? stems->sample_rate : shown.rate;
    shown.seen = peaks_.seen();

    const double now = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    time_left_.see(now, shown.status.job == JobState::running, shown.status.progress);
    shown.seconds_left = time_left_.seconds(now);

    std::string seen = signature(shown);
    const bool changed = seen != last_;
    last_ = std::move(seen);
    return changed;
}

}  // namespace stemweave
