// A host for one CLAP: plays a song through it, has it separated, then starts, seeks and loops, and counts what is not where it belongs.
//
//   clap_host PLUGIN       {"outputs": channels, "track_wrong", "halves", "other", "frames"}; a server of tests/support/jobs.py:halves answers
#include <dlfcn.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "clap/entry.h"
#include "clap/events.h"
#include "clap/ext/audio-ports.h"
#include "clap/ext/params.h"
#include "clap/plugin-factory.h"
#include "signal.hpp"

namespace {

constexpr int kBuses = 6;
constexpr double kRate = 48000.0;
constexpr uint32_t kSize = 480;

const void* extension(const clap_host*, const char*) { return nullptr; }
void nothing(const clap_host*) {}

struct Events {
    std::vector<clap_event_param_value> values;
};

uint32_t count_of(const clap_input_events* list) { return static_cast<uint32_t>(static_cast<Events*>(list->ctx)->values.size()); }
const clap_event_header* event_of(const clap_input_events* list, uint32_t index) {
    return &static_cast<Events*>(list->ctx)->values[index].header;
}
bool swallow(const clap_output_events*, const clap_event_header*) { return true; }

struct Session {
    const clap_plugin* plugin;
    std::vector<std::vector<float>> in = std::vector<std::vector<float>>(2, std::vector<float>(kSize));
    std::vector<std::vector<float>> out = std::vector<std::vector<float>>(2 * kBuses, std::vector<float>(kSize));
    Events events;
    int64_t steady = 1000000;  // never the position: a plug-in that takes it for that is found out
    long long track_wrong = 0, halves = 0, other = 0;

    void block(int64_t position, bool rolling) {
        float* ins[2];
        float* outs[2 * kBuses];
        for (int c = 0; c < 2; ++c) {
            for (uint32_t i = 0; i < kSize; ++i) in[c][i] = song(c, position + i);
            ins[c] = in[c].data();
        }
        clap_audio_buffer input{}, output[kBuses]{};
        input.data32 = ins;
        input.channel_count = 2;
        for (int c = 0; c < 2 * kBuses; ++c) outs[c] = out[c].data();
        for (int b = 0; b < kBuses; ++b) {
            output[b].data32 = outs + 2 * b;
            output[b].channel_count = 2;
        }
        clap_event_transport transport{};
        transport.header = {sizeof transport, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_TRANSPORT, 0};
        transport.flags = CLAP_TRANSPORT_HAS_SECONDS_TIMELINE | CLAP_TRANSPORT_HAS_TEMPO | (rolling ? CLAP_TRANSPORT_IS_PLAYING : 0u);
        transport.song_pos_seconds = std::llround(static_cast<double>(position) / kRate * CLAP_SECTIME_FACTOR);
        transport.tempo = 120.0;
        const clap_input_events incoming{&events, count_of, event_of};
        const clap_output_events outgoing{nullptr, swallow};
        clap_process process{};
        process.steady_time = steady;
        process.frames_count = kSize;
        process.transport = &transport;
        process.audio_inputs = &input;
        process.audio_outputs = output;
        process.audio_inputs_count = 1;
        process.audio_outputs_count = kBuses;
        process.in_events = &incoming;
        process.out_events = &outgoing;
        plugin->process(plugin, &process);
        events.values.clear();
        steady += kSize;
        for (uint32_t i = 0; i < kSize; ++i) {
            for (int c = 0; c < 2; ++c) track_wrong += out[c][i] != in[c][i];
            for (int c = 2; c < 2 * kBuses; ++c) {
                halves += out[c][i] != 0.0f && out[c][i] == in[c % 2][i] / 2;
                other += out[c][i] != 0.0f && out[c][i] != in[c % 2][i] / 2;
            }
        }
    }

    void play(int64_t position, int64_t frames) {
        for (const int64_t end = position + frames; position < end; position += kSize) block(position, true);
    }
};

}  // namespace

int main(int, char** argv) {
    void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) return std::fprintf(stderr, "%s\n", dlerror()), 1;
    const auto* entry = static_cast<const clap_plugin_entry*>(dlsym(library, "clap_entry"));
    if (!entry || !entry->init(argv[1])) return 1;
    const auto* factory = static_cast<const clap_plugin_factory*>(entry->get_factory(CLAP_PLUGIN_FACTORY_ID));
    const clap_host host{CLAP_VERSION, nullptr, "clap_host", "stemweave", "", "1", extension, nothing, nothing, nothing};
    Session session;
    session.plugin = factory->create_plugin(factory, &host, factory->get_plugin_descriptor(factory, 0)->id);
    const clap_plugin* plugin = session.plugin;
    if (!plugin || !plugin->init(plugin)) return 1;
    const auto* ports = static_cast<const clap_plugin_audio_ports*>(plugin->get_extension(plugin, CLAP_EXT_AUDIO_PORTS));
    uint32_t channels = 0;
    for (uint32_t i = 0; i < ports->count(plugin, false); ++i) {
        clap_audio_port_info info{};
        ports->get(plugin, i, false, &info);
        channels += info.channel_count;
    }
    const auto* params = static_cast<const clap_plugin_params*>(plugin->get_extension(plugin, CLAP_EXT_PARAMS));
    clap_id separate = CLAP_INVALID_ID, job = CLAP_INVALID_ID;
    for (uint32_t i = 0; i < params->count(plugin); ++i) {
        clap_param_info info{};
        params->get_info(plugin, i, &info);
        if (!std::strcmp(info.name, "Separate")) separate = info.id;
        if (!std::strcmp(info.name, "Job")) job = info.id;
    }
    plugin->activate(plugin, kRate, 1, kSize);
    plugin->start_processing(plugin);

    session.play(0, 96000);
    clap_event_param_value value{};
    value.header = {sizeof value, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0};
    value.param_id = separate;
    value.value = 1.0;
    session.events.values.push_back(value);
    double state = 0.0;
    for (int i = 0; i < 6000 && state < 4.0; ++i) {
        session.block(0, false);
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        params->get_value(plugin, job, &state);
    }
    session.track_wrong = session.halves = session.other = 0;
    session.play(0, 96000);
    session.play(33360, 48000);
    session.play(7200, 24000);
    std::printf("{\"outputs\": %u, \"job\": %g, \"track_wrong\": %lld, \"halves\": %lld, \"other\": %lld, \"frames\": %d}\n", channels,
                state, session.track_wrong, session.halves, session.other, 96000 + 48000 + 24000);
    plugin->stop_processing(plugin);
    plugin->deactivate(plugin);
    plugin->destroy(plugin);
    entry->deinit();
    return dlclose(library);
}
