#include "window/words.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace stemweave {
namespace {

std::string span(Range range, double rate) { return time_of(range.start, rate) + " to " + time_of(range.end, rate); }

std::string listed(const std::vector<std::string>& names) {
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    return all;
}

std::string hertz(double rate) { return std::to_string(std::lround(rate)) + " Hz"; }

std::string or_none(const std::string& text) { return text.empty() ? "none" : text; }

}  // namespace

bool Shown::is_given(int stem) const {
    const auto plays_it = [&](const Track& track) { return track.takes_part && track.frames > 0 && track.role == kStemNames[stem]; };
    return std::any_of(status.members.begin(), status.members.end(), plays_it);
}

bool Shown::is_made(int stem) const {
    const auto& its = peaks[static_cast<size_t>(stem)];
    return stems.frames() > 0 && std::any_of(its.begin(), its.end(), [](float peak) { return peak > 0.0f; });
}

std::string Shown::next_preset() const {
    std::vector<std::string> all;  // a preset is named for its task, and what is special about it
    const std::string first = kFirstPreset;
    for (const std::string& name : status.presets) {
        const bool separates = name == first || name.compare(0, first.size() + 1, first + "-") == 0;
        if (separates && can_be_preset(name)) all.push_back(name);
    }
    if (all.empty()) return status.preset;
    const auto chosen = std::find(all.begin(), all.end(), status.preset);
    return chosen == all.end() || std::next(chosen) == all.end() ? all.front() : *std::next(chosen);
}

std::string time_of(int64_t position, double rate) {
    const long long tenths = std::llround(std::abs(static_cast<double>(position)) / rate * 10.0);
    char text[40];
    std::snprintf(text, sizeof text, "%s%lld:%02lld.%lld", position < 0 && tenths > 0 ? "-" : "", tenths / 600, tenths / 10 % 60,
                  tenths % 10);
    return text;
}

std::string left(std::optional<double> seconds) {
    if (!seconds) return "";
    if (*seconds < 5.0) return "a few seconds left";
    if (*seconds < 90.0) return "about " + std::to_string(static_cast<int>(std::lround(*seconds / 5.0)) * 5) + " s left";
    return "about " + std::to_string(std::lround(*seconds / 60.0)) + " min left";
}

std::string connection_line(const Shown& shown) {
    switch (shown.status.connection) {
    case Connection::absent: return "No server";
    case Connection::greeting: return shown.is_looking() ? "Looking for the server" : "No server";
    case Connection::connected: return "Connected";
    case Connection::refused: return "The server is of another version";
    }
    return "";
}

std::string job_line(const Shown& shown) {
    const Status& now = shown.status;
    switch (now.job) {
    case JobState::none:
        if (!shown.is_stems_rate()) return "The stems saved with the project are silent";
        if (shown.stems.frames() > 0) return "The stems saved with the project play, " + span(shown.stems, shown.rate);
        if (now.recorded.frames() > 0) return "Recorded: " + span(now.recorded, shown.rate);
        return "Play the song once: what passes is recorded";
    case JobState::waiting: return now.connection == Connection::connected ? "Waiting for the other tracks" : "Waiting for the server";
    case JobState::uploading: return "Sending the track";
    case JobState::running: {
        const std::string rest = left(shown.seconds_left);
        return "Working: " + std::to_string(static_cast<int>(now.progress * 100.0)) + " %" + (rest.empty() ? "" : ", " + rest);
    }
    case JobState::done:
        if (!shown.is_stems_rate()) return "Done, but the stems are silent";
        return "Done: stems play, " + span(shown.stems, shown.rate);
    case JobState::cancelled: return shown.stems.frames() > 0 ? "Cancelled: the stems before it play" : "Cancelled";
    case JobState::failed: return "The job failed";
    }
    return "";
}

std::string offer(const Shown& shown) {
    const std::string gone = "The stems saved with this project are no longer on this machine. ";
    switch (shown.status.offer) {
    case Offer::none: return "";
    case Offer::make_again: return gone + "The track is: Make again makes the same ones of it.";
    case Offer::play_first: return gone + "Play the track from " + span(shown.status.gone, shown.rate) + ", then Make again makes the same ones of it.";
    case Offer::ask_again: return gone + "They went with several tracks: play those, and ask for stems again.";
    }
    return "";
}

std::string trouble(const Shown& shown) {
    if (!shown.status.message.empty()) return shown.status.message;
    if (shown.status.offer != Offer::none) return offer(shown);
    if (!shown.is_stems_rate()) {
        const std::string was = hertz(shown.stems_rate), is = hertz(shown.rate);
        return "The stems are silent: they were made at " + was + ", and this host runs at " + is + ". Set it to " + was +
               " again, or play the song through and ask for stems anew.";
    }
    if (shown.status.lost > 0) {
        return "Some of the track was lost: this machine was too busy. Play that part again.";
    }
    return "";
}

std::pair<Health, std::string> diagnosis(const Shown& shown) {
    const Status& now = shown.status;
    const std::string wrong = trouble(shown);
    const bool has_stems = shown.stems.frames() > 0;
    if (!wrong.empty()) return {Health::trouble, wrong};
    if (now.connection != Connection::connected) return {Health::waiting, "Looking for the server: this takes a few seconds."};
    if (now.models.empty()) return {Health::waiting, "The server is loading its engine. What is asked for meanwhile waits."};
    if (!shown.takes_part) return {Health::waiting, "This track takes no part: nothing of it is recorded. Tick it in the list of tracks."};
    if (now.recorded.frames() == 0) return {Health::waiting, "Nothing was recorded yet. Let the song play through this plug-in once."};
    if (has_stems && !shown.plays) return {Health::waiting, "The stems are silent: switch Play stems on."};
    if (has_stems && (shown.heard & ((1u << kStems) - 1)) == 0) return {Health::waiting, "The stems are silent: all of them are muted."};
    return {Health::well, "All is well."};
}

std::string name_of(const Track& track, size_t number, bool is_mine) {
    if (!track.name.empty()) return track.name;
    return is_mine ? "This track" : "Track " + std::to_string(number);
}

std::vector<std::pair<std::string, std::string>> findings(const Shown& shown) {
    const Status& now = shown.status;
    return {
        {"Server", now.server},
        {"Connection", connection_line(shown)},
        {"Protocol", std::string(kProtocolVersion) + " here, " + (now.protocol.empty() ? "not known there" : now.protocol + " there")},
        {"Version", std::string(kVersion) + " here, " + (now.package.empty() ? "not known there" : now.package + " there")},
        {"Models", now.models.empty() ? "not known" : listed(now.models)},
        {"Back end", "the server chooses it; there, `stemweave doctor` says which there are"},
        {"Last error", or_none(now.last_trouble)},
        {"Session", or_none(now.session)},
        {"Host", hertz(shown.rate) + ", " + (shown.rolling ? "rolling" : "stopped") + " at " + time_of(shown.position, shown.rate)},
        {"Recorded", now.recorded.frames() > 0 ? span(now.recorded, shown.rate) : "nothing yet"},
        {"Lost", now.lost > 0 ? std::to_string(now.lost) + " frames: this machine was too busy" : "nothing"},
        {"Takes are kept in", now.takes},
        {"This take", or_none(now.folder)},
    };
}

}  // namespace stemweave
