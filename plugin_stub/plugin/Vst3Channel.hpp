// The mixer channel a VST3 is on, as its host tells it: Vst::ChannelContext::IInfoListener, which hosts look for at the edit controller.
// DPF's VST3 includes this after its own copy of VST3's interfaces, see dpf.cmake.
#pragma once

#include "plugin/Parts.hpp"
#include "wire/text.hpp"

START_NAMESPACE_DISTRHO

static constexpr const v3_tuid kChannelListener = V3_ID(0x0F194781, 0x8D984ADA, 0xBBA0C1EF, 0xC011D8D0);

// A part of the controller: it lives as long, and its interfaces and references are the controller's.
template <class Controller>
class ChannelListener {
  public:
    // The interface, for the controller that the host knows by this pointer.
    void* of(void* controller) {
        controller_ = controller;
        return this;
    }

  private:
    struct Functions : v3_funknown {
        v3_result (V3_API* set_channel_context_infos)(void* self, v3_attribute_list** infos);
    };

    static ChannelListener& it(void* self) { return *static_cast<ChannelListener*>(self); }
    static Controller& controller(void* self) { return **static_cast<Controller**>(it(self).controller_); }

    static v3_result V3_API query(void* self, const v3_tuid iid, void** iface) {
        return controller(self).query_interface(it(self).controller_, iid, iface);
    }
    static uint32_t V3_API ref(void* self) { return controller(self).ref(it(self).controller_); }
    static uint32_t V3_API unref(void* self) { return controller(self).unref(it(self).controller_); }

    static v3_result V3_API told(void* self, v3_attribute_list** infos) {
        const auto& plugin = controller(self).vst3;
        if (infos == nullptr || plugin == nullptr) return V3_INVALID_ARG;
        int16_t name[129] = {};
        if (v3_cpp_obj(infos)->get_string(infos, "channel name", name, sizeof name - sizeof *name) != V3_OK) return V3_OK;
        name_track(plugin->getInstancePointer(), stemweave::utf8_of(reinterpret_cast<const char16_t*>(name)));
        return V3_OK;
    }

    static constexpr Functions kFunctions{{query, ref, unref}, told};

    const Functions* functions_ = &kFunctions;  // first: what the host calls
    void* controller_ = nullptr;
};

END_NAMESPACE_DISTRHO
