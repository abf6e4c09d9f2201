// What plug-in and window share: the parameters, and what the window may look at.
#pragma once

#include <DistrhoUtils.hpp>

#include <memory>
#include <string>

#include "core/core.hpp"
#include "wire/talker.hpp"

START_NAMESPACE_DISTRHO

enum Parameters {
    kTakesPart, kPlays, kOwnClock, kSeparate, kCancel, kConnection, kJob, kProgress,
    kRole, kAccompany, kWant, kTracks = kWant + stemweave::kStems - 1,  // kWant: a switch for each stem but the residual
    kInfill, kRegenerate, kFillFrom, kFillTo,
    kMute, kSolo = kMute + stemweave::kStems, kParameterCount = kSolo + stemweave::kStems  // a switch for each stem
};

struct Parts {
    std::weak_ptr<stemweave::Core> core;
    std::weak_ptr<stemweave::Talker> talker;  // none in the dummies with which hosts scan
};

// plugin: what DPF gives a window for its plug-in.
Parts parts_of(void* plugin);
// The same plug-in hears what its host calls the track, see dpf.cmake.
void name_track(void* plugin, const std::string& name);

END_NAMESPACE_DISTRHO
