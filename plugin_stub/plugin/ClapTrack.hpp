// The track a CLAP is on, as its host tells it: the extension track-info of CLAP 1.2, which is later than the headers DPF brings.
// DPF's CLAP includes this after those, see dpf.cmake.
#pragma once

#include <cstring>

#include "plugin/Parts.hpp"

START_NAMESPACE_DISTRHO

constexpr const char* kTrackInfoIds[] = {"clap.track-info/1", "clap.track-info.draft/1"};  // the draft is the same
constexpr uint64_t kTrackHasName = 1;

struct ClapTrack {
    uint64_t flags;
    char name[CLAP_NAME_SIZE];
    uint8_t colour[4];
    int32_t channels;
    const char* port_type;
};

struct HostTrackInfo {
    bool (CLAP_ABI* get)(const clap_host_t* host, ClapTrack* track);
};

struct PluginTrackInfo {
    void (CLAP_ABI* changed)(const clap_plugin_t* plugin);
};

inline bool is_track_info(const char* id) { return !std::strcmp(id, kTrackInfoIds[0]) || !std::strcmp(id, kTrackInfoIds[1]); }

// On the host's main thread. plugin: DPF's instance pointer.
inline void name_track_of(const clap_host_t* host, void* plugin) {
    for (const char* id : kTrackInfoIds) {
        const auto* info = static_cast<const HostTrackInfo*>(host->get_extension(host, id));
        ClapTrack track{};
        if (!info || !info->get || !info->get(host, &track)) continue;
        track.name[CLAP_NAME_SIZE - 1] = 0;
        return name_track(plugin, track.flags & kTrackHasName ? track.name : "");
    }
}

// Instance: DPF's class behind a clap_plugin.
template <class Instance>
constexpr PluginTrackInfo kTrackInfo{[](const clap_plugin_t* plugin) { static_cast<Instance*>(plugin->plugin_data)->trackChanged(); }};

END_NAMESPACE_DISTRHO
