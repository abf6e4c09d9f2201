# DPF: Debian's dpf-source where it is, else fetched (a later one, which has CLAP and AU); a copy of it in the build folder, with what
# is wrong in it put right. -DFETCHCONTENT_SOURCE_DIR_DPF=... names one to build with.
if(EXISTS /usr/share/dpf/CMakeLists.txt AND NOT FETCHCONTENT_SOURCE_DIR_DPF)
  set(DPF_ORIGINAL /usr/share/dpf)
else()
  include(FetchContent)
  FetchContent_Declare(dpf GIT_REPOSITORY https://github.com/DISTRHO/DPF.git
    GIT_TAG d47aaadfdfe47b7841bf03b76971fa83579f6a64)  # main of 2025-09-07
  FetchContent_GetProperties(dpf)
  if(NOT dpf_POPULATED)
    FetchContent_Populate(dpf)
  endif()
  set(DPF_ORIGINAL ${dpf_SOURCE_DIR})
endif()
set(DPF_FOLDER ${CMAKE_CURRENT_BINARY_DIR}/dpf-source)
file(STRINGS ${DPF_ORIGINAL}/distrho/src/DistrhoPluginVST3.cpp PLAYS_ALL_BUSES REGEX "data->outputs\\[b\\]")
file(COPY ${DPF_ORIGINAL}/ DESTINATION ${DPF_FOLDER}
  PATTERN DistrhoPluginVST3.cpp EXCLUDE PATTERN DistrhoPluginCLAP.cpp EXCLUDE PATTERN DistrhoUIVST3.cpp EXCLUDE
  PATTERN DistrhoPluginJACK.cpp EXCLUDE PATTERN .git EXCLUDE)

# Replace the text OLD of FILE by NEW, in the copy. When OLD is not there DPF has changed, and a person must look whether the fault is gone.
function(correct_dpf FILE OLD NEW)
  get_property(TEXT GLOBAL PROPERTY "dpf/${FILE}")
  if("${TEXT}" STREQUAL "")
    file(READ ${DPF_ORIGINAL}/${FILE} TEXT)
    set_property(GLOBAL APPEND PROPERTY dpf_corrected ${FILE})
  endif()
  string(FIND "${TEXT}" "${OLD}" FOUND)
  if(FOUND EQUAL -1)
    message(FATAL_ERROR "${FILE} of DPF is not the one this build corrects: compare it with plugin/dpf.cmake.")
  endif()
  string(REPLACE "${OLD}" "${NEW}" TEXT "${TEXT}")
  set_property(GLOBAL PROPERTY "dpf/${FILE}" "${TEXT}")
endfunction()

# Write what has changed, and nothing else: what is newer is compiled again.
function(write_dpf)
  get_property(FILES GLOBAL PROPERTY dpf_corrected)
  foreach(FILE ${FILES})
    get_property(TEXT GLOBAL PROPERTY "dpf/${FILE}")
    file(CONFIGURE OUTPUT ${DPF_FOLDER}/${FILE} CONTENT "${TEXT}" @ONLY)
  endforeach()
endfunction()

# CLAP: the position on the timeline, not the steady time, which runs on through loops and seeks.
correct_dpf(distrho/src/DistrhoPluginCLAP.cpp
  [[fTimePosition.frame = process->steady_time >= 0 ? process->steady_time : 0;]]
  [[if (transport->flags & CLAP_TRANSPORT_HAS_SECONDS_TIMELINE)
                fTimePosition.frame = static_cast<uint64_t>(static_cast<int64_t>(
                    std::floor(static_cast<double>(transport->song_pos_seconds) / CLAP_SECTIME_FACTOR * fPlugin.getSampleRate() + 0.5)));
            else
                fTimePosition.frame = process->steady_time >= 0 ? process->steady_time : 0;]])

# VST3: all output buses, not the first alone; later versions do so. Every bus of ours is a stereo pair.
if(NOT PLAYS_ALL_BUSES)
correct_dpf(distrho/src/DistrhoPluginVST3.cpp
  [[            if (data->outputs != nullptr)
            {
                for (int32_t j = 0; j < data->outputs->num_channels; ++j)
                {
                    while (!fEnabledOutputs[i] && i < DISTRHO_PLUGIN_NUM_OUTPUTS)
                        outputs[i++] = fDummyAudioBuffer;

                    DISTRHO_SAFE_ASSERT_INT_BREAK(i < DISTRHO_PLUGIN_NUM_OUTPUTS, i);
                    outputs[i++] = data->outputs->channel_buffers_32[j];
                }
            }]]
  [[            for (; i < DISTRHO_PLUGIN_NUM_OUTPUTS; ++i)
            {
                const v3_audio_bus_buffers* const bus =
                    data->outputs != nullptr && i / 2 < data->num_output_buses ? data->outputs + i / 2 : nullptr;
                const bool there = bus != nullptr && i % 2 < bus->num_channels && bus->channel_buffers_32 != nullptr
                                && bus->channel_buffers_32[i % 2] != nullptr;
                outputs[i] = there ? bus->channel_buffers_32[i % 2] : fDummyAudioBuffer;
            }]])
endif()

# VST3: hosts may stop a plug-in without a tail while its track is silent; stems have to be heard, and time to be seen, then too.
correct_dpf(distrho/src/DistrhoPluginVST3.cpp
  [[    uint32_t getTailSamples() const noexcept
    {
        return 0;]]
  [[    uint32_t getTailSamples() const noexcept
    {
        return 0xFFFFFFFF;]])

# VST3: the position in samples is always there; what DPF takes for its flag says that the musical one is.
correct_dpf(distrho/src/DistrhoPluginVST3.cpp
  [[            if (ctx->state & V3_PROCESS_CTX_PROJECT_TIME_VALID)
                fTimePosition.frame = ctx->project_time_in_samples;
            else if (ctx->state & V3_PROCESS_CTX_CONT_TIME_VALID)
                fTimePosition.frame = ctx->continuous_time_in_samples;]]
  [[            fTimePosition.frame = ctx->project_time_in_samples;]])

# CLAP and VST3: hosts ask for the window's size before there is one; it is that at the screen's scale.
correct_dpf(distrho/src/DistrhoPluginCLAP.cpp
  [[            scaleFactor = 1.0;
       #else]]
  [[            scaleFactor = 1.0;
        *width = static_cast<uint32_t>(*width * scaleFactor + 0.5);
        *height = static_cast<uint32_t>(*height * scaleFactor + 0.5);
       #else]])
correct_dpf(distrho/src/DistrhoUIVST3.cpp
  [[            scaleFactor = 1.0;
       #else
        UIExporter tmpUI(nullptr, 0, view->sampleRate,]]
  [[            scaleFactor = 1.0;
        rect->right = static_cast<int32_t>(rect->right * scaleFactor + 0.5);
        rect->bottom = static_cast<int32_t>(rect->bottom * scaleFactor + 0.5);
       #else
        UIExporter tmpUI(nullptr, 0, view->sampleRate,]])

# CLAP and VST3: what the host calls the track, which DPF does not ask for.
correct_dpf(distrho/src/DistrhoPluginCLAP.cpp
  [[#include "clap/ext/timer-support.h"
]]
  [[#include "clap/ext/timer-support.h"
#include "plugin/ClapTrack.hpp"
]])
correct_dpf(distrho/src/DistrhoPluginCLAP.cpp
  [[        return fHostExtensions.init();
    }
]]
  [[        trackChanged();
        return fHostExtensions.init();
    }

    void trackChanged() { name_track_of(fHost, fPlugin.getInstancePointer()); }
]])
correct_dpf(distrho/src/DistrhoPluginCLAP.cpp
  [[    if (std::strcmp(id, CLAP_EXT_PARAMS) == 0)]]
  [[    if (is_track_info(id))
        return &kTrackInfo<PluginCLAP>;
    if (std::strcmp(id, CLAP_EXT_PARAMS) == 0)]])
correct_dpf(distrho/src/DistrhoPluginVST3.cpp
  [[#include "travesty/host.h"
]]
  [[#include "travesty/host.h"
#include "plugin/Vst3Channel.hpp"
]])
correct_dpf(distrho/src/DistrhoPluginVST3.cpp
  [[    // cached values
    v3_component_handler** handler;
]]
  [[    ChannelListener<dpf_edit_controller> channel;
    // cached values
    v3_component_handler** handler;
]])
correct_dpf(distrho/src/DistrhoPluginVST3.cpp
  [[        d_debug("query_interface_edit_controller => %p %s %p | WARNING UNSUPPORTED", self, tuid2str(iid), iface);]]
  [[        if (v3_tuid_match(iid, kChannelListener))
        {
            ++controller->refcounter;
            *iface = controller->channel.of(self);
            return V3_OK;
        }

        d_debug("query_interface_edit_controller => %p %s %p | WARNING UNSUPPORTED", self, tuid2str(iid), iface);]])

# JACK: where there is no screen the program goes on without its window.
correct_dpf(distrho/src/DistrhoPluginJACK.cpp
  [[#else
# include "../extra/Sleep.hpp"
#endif]]
  [[#endif
#include "../extra/Sleep.hpp"]])
correct_dpf(distrho/src/DistrhoPluginJACK.cpp
  [[        fUI.exec(this);
]]
  [[        fUI.showAndFocus();
        if (fUI.isVisible())
            fUI.exec(this);
        else
            while (! gCloseSignalReceived)
                d_msleep(100);
]])

write_dpf()
add_subdirectory(${DPF_FOLDER} dpf EXCLUDE_FROM_ALL)
