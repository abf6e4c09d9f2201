// A host for the CLAP's window, driven line by line from a test. Every command answers with one JSON line.
//
//   window_host PLUGIN
//   play FILE [OUT]   stereo float32 through the plug-in at 48 kHz, from the timeline's zero on: {"rms"} of the track and each stem's bus;
//                     OUT: float32 of all channels, interleaved
//   open SCALE        the window, at that scale | close
//   idle MS           let the window live so long
//   shot FILE         what the window shows, as a PPM: {"width", "height"}
//   click X Y         in pixels | drag X Y X Y
//   get NAME          {"value"} of a parameter | set VALUE NAME
//   save FILE         what the plug-in would have the project keep | load FILE
//   cycle COUNT       open and close so many times, with a frame drawn in between
#include <dlfcn.h>

#include <X11/Xlib.h>
#include <X11/Xutil.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "clap/entry.h"
#include "clap/events.h"
#include "clap/ext/gui.h"
#include "clap/ext/params.h"
#include "clap/ext/state.h"
#include "clap/ext/timer-support.h"
#include "clap/plugin-factory.h"

namespace {

constexpr double kRate = 48000.0;
constexpr uint32_t kSize = 512;
constexpr int kChannels = 12;
using Clock = std::chrono::steady_clock;

struct Window_ {
    Display* display = nullptr;
    Window window = 0;
    clap_id timer = CLAP_INVALID_ID;
} shown;

bool register_timer(const clap_host*, uint32_t, clap_id* id) { return *id = shown.timer = 1, true; }
bool unregister_timer(const clap_host*, clap_id) { return shown.timer = CLAP_INVALID_ID, true; }
void no_hints(const clap_host*) {}
bool resize(const clap_host*, uint32_t width, uint32_t height) {
    return XResizeWindow(shown.display, shown.window, width, height), true;
}
bool no_show(const clap_host*) { return false; }
void closed(const clap_host*, bool) {}
void nothing(const clap_host*) {}
const clap_host_timer_support kTimers{register_timer, unregister_timer};
const clap_host_gui kGui{no_hints, resize, no_show, no_show, closed};

const void* extension(const clap_host*, const char* id) {
    if (!std::strcmp(id, CLAP_EXT_TIMER_SUPPORT)) return &kTimers;
    if (!std::strcmp(id, CLAP_EXT_GUI)) return &kGui;
    return nullptr;
}

uint32_t count_of(const clap_input_events* list) { return static_cast<uint32_t>(static_cast<std::vector<clap_event_param_value>*>(list->ctx)->size()); }
const clap_event_header* event_of(const clap_input_events* list, uint32_t i) { return &(*static_cast<std::vector<clap_event_param_value>*>(list->ctx))[i].header; }
bool swallow(const clap_output_events*, const clap_event_header*) { return true; }

struct Host {
    const clap_plugin* plugin = nullptr;
    const clap_plugin_gui* gui = nullptr;
    const clap_plugin_params* params = nullptr;
    const clap_plugin_timer_support* timers = nullptr;
    const clap_plugin_state* state = nullptr;
    std::vector<clap_event_param_value> events;
    double squares[kChannels / 2] = {};  // of what was heard since the last play
    std::ofstream* heard = nullptr;        // where it goes, all channels of it

    void block(const float* stereo, uint32_t frames, int64_t position, bool rolling) {
        std::vector<std::vector<float>> in(2, std::vector<float>(frames)), out(kChannels, std::vector<float>(frames));
        float* ins[2] = {in[0].data(), in[1].data()};
        for (uint32_t i = 0; stereo && i < 2 * frames; ++i) in[i % 2][i / 2] = stereo[i];
        float* outs[kChannels];
        for (int c = 0; c < kChannels; ++c) outs[c] = out[c].data();
        clap_audio_buffer input{}, output[kChannels / 2]{};
        input.data32 = ins;
        input.channel_count = 2;
        for (int b = 0; b < kChannels / 2; ++b) {
            output[b].data32 = outs + 2 * b;
            output[b].channel_count = 2;
        }
        clap_event_transport transport{};
        transport.header = {sizeof transport, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_TRANSPORT, 0};
        transport.flags = CLAP_TRANSPORT_HAS_SECONDS_TIMELINE | CLAP_TRANSPORT_HAS_TEMPO | (rolling ? uint32_t{CLAP_TRANSPORT_IS_PLAYING} : 0u);
        transport.song_pos_seconds = static_cast<clap_sectime>(static_cast<double>(position) / kRate * CLAP_SECTIME_FACTOR + 0.5);
        transport.tempo = 120.0;
        const clap_input_events incoming{&events, count_of, event_of};
        const clap_output_events outgoing{nullptr, swallow};
        clap_process process{};
        process.frames_count = frames;
        process.transport = &transport;
        process.audio_inputs = &input;
        process.audio_outputs = output;
        process.audio_inputs_count = 1;
        process.audio_outputs_count = kChannels / 2;
        process.in_events = &incoming;
        process.out_events = &outgoing;
        plugin->process(plugin, &process);
        for (uint32_t i = 0; heard && i < frames; ++i) {
            for (const auto& channel : out) heard->write(reinterpret_cast<const char*>(&channel[i]), sizeof(float));
        }
        for (int c = 0; c < kChannels; ++c) {
            for (const float sample : out[c]) squares[c / 2] += double{sample} * sample / 2;
        }
        events.clear();
    }

    void play(const std::string& path, const std::string& to) {
        std::ofstream out(to, std::ios::binary);
        heard = to.empty() ? nullptr : &out;
        std::ifstream file(path, std::ios::binary);
        std::vector<float> piece(2 * kSize);
        int64_t position = 0;
        std::fill(std::begin(squares), std::end(squares), 0.0);
        while (file.read(reinterpret_cast<char*>(piece.data()), static_cast<std::streamsize>(piece.size() * sizeof(float))), file.gcount() > 0) {
            const auto frames = static_cast<uint32_t>(file.gcount() / (2 * sizeof(float)));
            block(piece.data(), frames, position, true);
            position += frames;
        }
        heard = nullptr;
        block(nullptr, kSize, position, false);
        for (int bus = 0; bus < kChannels / 2; ++bus) std::printf("%s%g", bus ? ", " : "{\"rms\": [", std::sqrt(squares[bus] / static_cast<double>(position)));
        std::puts("]}");
    }

    static int64_t write(const clap_ostream* to, const void* data, uint64_t size) {
        static_cast<std::ofstream*>(to->ctx)->write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
        return static_cast<int64_t>(size);
    }

    static int64_t read(const clap_istream* from, void* data, uint64_t size) {
        return static_cast<std::ifstream*>(from->ctx)->read(static_cast<char*>(data), static_cast<std::streamsize>(size)).gcount();
    }

    void save(const std::string& path) {
        std::ofstream file(path, std::ios::binary);
        const clap_ostream to{&file, write};
        std::printf("{\"done\": %s}\n", state->save(plugin, &to) ? "true" : "false");
    }

    void load(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        const clap_istream from{&file, read};
        std::printf("{\"done\": %s}\n", state->load(plugin, &from) ? "true" : "false");
    }

    clap_id parameter(const std::string& name) {
        for (uint32_t i = 0; i < params->count(plugin); ++i) {
            clap_param_info info{};
            params->get_info(plugin, i, &info);
            if (name == info.name) return info.id;
        }
        return CLAP_INVALID_ID;
    }

    void set(const std::string& name, double value) {
        clap_event_param_value event{};
        event.header = {sizeof event, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0};
        event.param_id = parameter(name);
        event.value = value;
        events.push_back(event);
        block(nullptr, kSize, 0, false);
    }

    void open(double scale) {
        uint32_t width = 0, height = 0;
        gui->create(plugin, CLAP_WINDOW_API_X11, false);
        gui->set_scale(plugin, scale);
        gui->get_size(plugin, &width, &height);
        shown.window = XCreateSimpleWindow(shown.display, DefaultRootWindow(shown.display), 0, 0, width, height, 0, 0, 0);
        XMapWindow(shown.display, shown.window);
        XSync(shown.display, False);
        clap_window parent{CLAP_WINDOW_API_X11, {}};
        parent.x11 = shown.window;
        gui->set_parent(plugin, &parent);
        gui->show(plugin);
        idle(300);
    }

    void close() {
        gui->hide(plugin);
        gui->destroy(plugin);
        XDestroyWindow(shown.display, shown.window);
        XSync(shown.display, False);
        shown.timer = CLAP_INVALID_ID;
    }

    void idle(int milliseconds) {
        const auto end = Clock::now() + std::chrono::milliseconds(milliseconds);
        do {
            if (shown.timer != CLAP_INVALID_ID) timers->on_timer(plugin, shown.timer);
            block(nullptr, 64, 0, false);  // what the window sets reaches the plug-in with the next block
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        } while (Clock::now() < end);
    }

    void click(int x, int y) {
        drag(x, y, x, y);
    }

    void drag(int x, int y, int to_x, int to_y) {
        Window root, parent, *children = nullptr;
        unsigned count = 0;
        XQueryTree(shown.display, shown.window, &root, &parent, &children, &count);
        const Window window = children[0];
        XFree(children);
        const auto send = [&](int type, long mask, int at_x, int at_y) {
            XEvent event{};  // of a button; of motion it differs in nothing that is set here but the button
            event.xbutton.type = type;
            event.xbutton.display = shown.display;
            event.xbutton.window = window;
            event.xbutton.root = root;
            event.xbutton.x = at_x;
            event.xbutton.y = at_y;
            event.xbutton.same_screen = True;
            if (type != MotionNotify) event.xbutton.button = Button1;
            else event.xmotion.same_screen = True;
            XSendEvent(shown.display, window, True, mask, &event);
        };
        send(ButtonPress, ButtonPressMask, x, y);
        if (x != to_x || y != to_y) {
            send(MotionNotify, PointerMotionMask, (x + to_x) / 2, (y + to_y) / 2);
            XSync(shown.display, False);
            idle(100);
            send(MotionNotify, PointerMotionMask, to_x, to_y);
        }
        send(ButtonRelease, ButtonReleaseMask, to_x, to_y);
        XSync(shown.display, False);
        idle(300);
    }

    void shot(const std::string& path) {
        XWindowAttributes size{};
        XGetWindowAttributes(shown.display, shown.window, &size);
        XImage* image = XGetImage(shown.display, shown.window, 0, 0, static_cast<unsigned>(size.width), static_cast<unsigned>(size.height), AllPlanes, ZPixmap);
        std::ofstream file(path, std::ios::binary);
        file << "P6\n" << size.width << " " << size.height << "\n255\n";
        for (int y = 0; y < size.height; ++y) {
            for (int x = 0; x < size.width; ++x) {
                const unsigned long pixel = XGetPixel(image, x, y);
                for (const int shift : {16, 8, 0}) file.put(static_cast<char>(pixel >> shift & 0xFF));
            }
        }
        XDestroyImage(image);
        std::printf("{\"width\": %d, \"height\": %d}\n", size.width, size.height);
    }
};

template <typename T>
const T* of(const clap_plugin* plugin, const char* id) {
    return static_cast<const T*>(plugin->get_extension(plugin, id));
}

}  // namespace

int main(int, char** argv) {
    void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) return std::fprintf(stderr, "%s\n", dlerror()), 1;
    const auto* entry = static_cast<const clap_plugin_entry*>(dlsym(library, "clap_entry"));
    if (!entry || !entry->init(argv[1])) return 1;
    const auto* factory = static_cast<const clap_plugin_factory*>(entry->get_factory(CLAP_PLUGIN_FACTORY_ID));
    const clap_host host{CLAP_VERSION, nullptr, "window_host", "stemweave", "", "1", extension, nothing, nothing, nothing};
    Host it;
    it.plugin = factory->create_plugin(factory, &host, factory->get_plugin_descriptor(factory, 0)->id);
    if (!it.plugin || !it.plugin->init(it.plugin)) return 1;
    it.gui = of<clap_plugin_gui>(it.plugin, CLAP_EXT_GUI);
    it.params = of<clap_plugin_params>(it.plugin, CLAP_EXT_PARAMS);
    it.state = of<clap_plugin_state>(it.plugin, CLAP_EXT_STATE);
    it.timers = of<clap_plugin_timer_support>(it.plugin, CLAP_EXT_TIMER_SUPPORT);
    shown.display = XOpenDisplay(nullptr);
    if (!it.gui || !it.timers || !shown.display) return std::fprintf(stderr, "no window, or no display\n"), 1;
    it.plugin->activate(it.plugin, kRate, 1, kSize);
    it.plugin->start_processing(it.plugin);
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string command, text, to;
        words >> command;
        double value = 0.0;
        int x = 0, y = 0, to_x = 0, to_y = 0;
        if (command == "open") words >> value, it.open(value);
        if (command == "close") it.close();
        if (command == "idle") words >> x, it.idle(x);
        if (command == "click") words >> x >> y, it.click(x, y);
        if (command == "drag") words >> x >> y >> to_x >> to_y, it.drag(x, y, to_x, to_y);
        if (command == "cycle") {
            for (words >> x; x > 0; --x) it.open(1.0), it.close();
        }
        if (command == "set") {
            words >> value;
            std::getline(words, text);
            it.set(text.substr(1), value);
        }
        if (command == "get") {
            std::getline(words, text);
            it.params->get_value(it.plugin, it.parameter(text.substr(1)), &value);
            std::printf("{\"value\": %.9g}\n", value);
        } else if (command == "play" || command == "save" || command == "load" || command == "shot") {
            words >> text;
            if (command == "play") words >> to, it.play(text, to);
            if (command == "save") it.save(text);
            if (command == "load") it.load(text);
            if (command == "shot") it.shot(text);
        } else {
            std::puts("{}");
        }
        std::fflush(stdout);
    }
    it.plugin->stop_processing(it.plugin);
    it.plugin->deactivate(it.plugin);
    it.plugin->destroy(it.plugin);
    entry->deinit();
    XCloseDisplay(shown.display);
    return 0;
}
