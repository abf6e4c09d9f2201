// A host that tells a CLAP, or a VST3, what its track is called, driven line by line from a test. Every line is answered with {}.
//
//   name_host PLUGIN [BYTES]   the name from the beginning on
//   BYTES                      the name from now on: in hexadecimal, of UTF-8 for a CLAP, of UTF-16 for a VST3; - for no name
//   play POSITION FRAMES       a VST3 is given that much of the timeline, by a host that knows nothing of beats
#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "clap/entry.h"
#include "clap/plugin-factory.h"
#include "clap/string-sizes.h"
#include "travesty/audio_processor.h"
#include "travesty/component.h"
#include "travesty/edit_controller.h"
#include "travesty/factory.h"
#include "travesty/message.h"

namespace {

std::string name;  // in the plug-in's own encoding
bool is_named = false;

void rename(const std::string& hex) {
    is_named = hex != "-";
    name.clear();
    for (size_t i = 0; is_named && i + 1 < hex.size(); i += 2) name += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
}

// CLAP: the plug-in asks, when it is made and whenever it hears that something has changed.
struct TrackInfo {
    uint64_t flags;
    char name[CLAP_NAME_SIZE];
    struct {
        uint8_t alpha, red, green, blue;
    } color;
    int32_t audio_channel_count;
    const char* audio_port_type;
};
struct HostTrackInfo {
    bool (*get)(const clap_host*, TrackInfo*);
};
struct PluginTrackInfo {
    void (*changed)(const clap_plugin*);
};

bool get(const clap_host*, TrackInfo* info) {
    *info = {};
    info->flags = is_named ? 1 : 0;
    std::memset(info->name, 'x', sizeof info->name);  // what is not said to be a name is none
    if (is_named) std::memcpy(info->name, (name + '\0').data(), name.size() + 1);
    return true;
}

const void* extension(const clap_host*, const char* id) {
    static const HostTrackInfo info{get};
    return std::strcmp(id, "clap.track-info/1") ? nullptr : &info;
}
void nothing(const clap_host*) {}

int clap(void* library, const char* path) {
    const auto* entry = static_cast<const clap_plugin_entry*>(dlsym(library, "clap_entry"));
    if (!entry->init(path)) return 1;
    const auto* factory = static_cast<const clap_plugin_factory*>(entry->get_factory(CLAP_PLUGIN_FACTORY_ID));
    const clap_host host{CLAP_VERSION, nullptr, "name_host", "stemweave", "", "1", extension, nothing, nothing, nothing};
    const clap_plugin* plugin = factory->create_plugin(factory, &host, factory->get_plugin_descriptor(factory, 0)->id);
    if (!plugin->init(plugin)) return 1;
    const auto* info = static_cast<const PluginTrackInfo*>(plugin->get_extension(plugin, "clap.track-info/1"));
    if (!info || plugin->get_extension(plugin, "clap.track-info.draft/1") != info) return 1;
    for (std::string line; std::puts("{}"), std::fflush(stdout), std::getline(std::cin, line);) {
        rename(line);
        info->changed(plugin);
    }
    plugin->destroy(plugin);
    entry->deinit();
    return 0;
}

// VST3: the host tells the edit controller.
constexpr int kBlock = 512;
constexpr v3_tuid kInfoListener = V3_ID(0x0F194781, 0x8D984ADA, 0xBBA0C1EF, 0xC011D8D0);

struct InfoListener : v3_funknown {
    v3_result (V3_API* set_channel_context_infos)(void* self, v3_attribute_list** infos);
};

v3_result V3_API get_string(void*, const char* id, int16_t* out, uint32_t bytes) {
    if (std::strcmp(id, "channel name") || !is_named) return V3_FALSE;
    const size_t size = std::min<size_t>(name.size(), bytes - sizeof *out);
    std::memcpy(out, name.data(), size);
    out[size / sizeof *out] = 0;
    return V3_OK;
}

void tell(InfoListener** listener) {
    v3_attribute_list_cpp infos{};
    infos.attrlist.get_string = get_string;
    v3_attribute_list_cpp* pointer = &infos;
    (*listener)->set_channel_context_infos(listener, reinterpret_cast<v3_attribute_list**>(&pointer));
}

template <class T>
T** interface(v3_funknown** object, const v3_tuid iid) {
    void* found = nullptr;
    return (*object)->query_interface(object, iid, &found) == V3_OK ? static_cast<T**>(found) : nullptr;
}

void play(v3_audio_processor_cpp** processor, const std::string& line) {
    std::istringstream words(line);
    std::string command;
    int64_t position = 0, frames = 0;
    words >> command >> position >> frames;
    std::vector<float> loud(kBlock, 0.5f), heard(kBlock);
    float* in[2] = {loud.data(), loud.data()};
    float* out[2] = {heard.data(), heard.data()};
    v3_audio_bus_buffers input{2, 0, {in}};
    std::vector<v3_audio_bus_buffers> outputs(6, {2, 0, {out}});
    v3_process_context time{};
    time.state = V3_PROCESS_CTX_PLAYING | V3_PROCESS_CTX_CONT_TIME_VALID;
    for (; frames > 0; frames -= kBlock, position += kBlock) {
        time.project_time_in_samples = position;
        v3_process_data data{};
        data.nframes = static_cast<int32_t>(std::min<int64_t>(kBlock, frames));
        data.num_input_buses = 1;
        data.num_output_buses = static_cast<int32_t>(outputs.size());
        data.inputs = &input;
        data.outputs = outputs.data();
        data.ctx = &time;
        (*processor)->proc.process(processor, &data);
        time.continuous_time_in_samples += kBlock;  // runs on, wherever the song is
    }
}

int vst3(void* library) {
    reinterpret_cast<bool (*)(void*)>(dlsym(library, "ModuleEntry"))(library);
    auto* factory = reinterpret_cast<v3_plugin_factory_cpp** (*)()>(dlsym(library, "GetPluginFactory"))();
    v3_class_info info{};
    (*factory)->v1.get_class_info(factory, 0, &info);
    void* made = nullptr;
    (*factory)->v1.create_instance(factory, info.class_id, v3_component_iid, &made);
    auto** component = static_cast<v3_component_cpp**>(made);
    auto** object = reinterpret_cast<v3_funknown**>(component);
    if (!component || (*component)->base.initialize(component, nullptr) != V3_OK) return 1;
    auto** controller = interface<v3_edit_controller_cpp>(object, v3_edit_controller_iid);
    (*controller)->base.initialize(controller, nullptr);
    auto** listener = interface<InfoListener>(reinterpret_cast<v3_funknown**>(controller), kInfoListener);
    if (!listener) return 1;
    auto** again = interface<v3_edit_controller_cpp>(reinterpret_cast<v3_funknown**>(listener), v3_edit_controller_iid);
    if (again != controller) return 1;  // one object, whatever is asked
    (*again)->unref(again);
    auto** processor = interface<v3_audio_processor_cpp>(object, v3_audio_processor_iid);
    if ((*processor)->proc.get_tail_samples(processor) != 0xFFFFFFFF) return 1;  // or it is stopped while its track is silent
    v3_process_setup setup{V3_REALTIME, V3_SAMPLE_32, kBlock, 48000.0};
    (*processor)->proc.setup_processing(processor, &setup);
    (*component)->comp.set_active(component, true);
    tell(listener);
    for (std::string line; std::puts("{}"), std::fflush(stdout), std::getline(std::cin, line);) {
        if (line.compare(0, 4, "play") == 0) {
            play(processor, line);
            continue;
        }
        rename(line);
        tell(listener);
    }
    (*component)->comp.set_active(component, false);
    (*processor)->unref(processor);
    (*listener)->unref(listener);
    (*controller)->base.terminate(controller);
    (*controller)->unref(controller);
    (*component)->base.terminate(component);
    (*component)->unref(component);
    (*factory)->unref(factory);
    reinterpret_cast<bool (*)()>(dlsym(library, "ModuleExit"))();
    return 0;
}

}  // namespace

int main(int count, char** argv) {
    if (count > 2) rename(argv[2]);
    void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) return std::fprintf(stderr, "%s\n", dlerror()), 1;
    return dlsym(library, "clap_entry") ? clap(library, argv[1]) : vst3(library);
}
