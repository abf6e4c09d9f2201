# DPF: Debian's dpf-source where it is, else fetched; a copy of it in the build folder, with what is wrong in it put right.
if(EXISTS /usr/share/dpf/CMakeLists.txt)
  set(DPF_ORIGINAL /usr/share/dpf)
else()
  include(FetchContent)
  FetchContent_Declare(dpf GIT_REPOSITORY https://github.com/DISTRHO/DPF.git GIT_TAG 1.6)
  FetchContent_GetProperties(dpf)
  if(NOT dpf_POPULATED)
    FetchContent_Populate(dpf)
  endif()
  set(DPF_ORIGINAL ${dpf_SOURCE_DIR})
endif()
set(DPF_FOLDER ${CMAKE_CURRENT_BINARY_DIR}/dpf-source)
file(COPY ${DPF_ORIGINAL}/ DESTINATION ${DPF_FOLDER}
  PATTERN DistrhoPluginVST3.cpp EXCLUDE PATTERN DistrhoPluginCLAP.cpp EXCLUDE PATTERN .git EXCLUDE)

# Copy FILE with the text OLD replaced by NEW. When OLD is not there DPF has changed, and a person must look whether the fault is gone.
function(correct_dpf FILE OLD NEW)
  file(READ ${DPF_ORIGINAL}/${FILE} TEXT)
  string(FIND "${TEXT}" "${OLD}" FOUND)
  if(FOUND EQUAL -1)
    message(FATAL_ERROR "${FILE} of DPF is not the one this build corrects: compare it with plugin/dpf.cmake.")
  endif()
  string(REPLACE "${OLD}" "${NEW}" TEXT "${TEXT}")
  if(EXISTS ${DPF_FOLDER}/${FILE})
    file(READ ${DPF_FOLDER}/${FILE} BEFORE)
  endif()
  if(NOT "${BEFORE}" STREQUAL "${TEXT}")
    file(WRITE ${DPF_FOLDER}/${FILE} "${TEXT}")
  endif()
endfunction()

# CLAP: the position on the timeline, not the steady time, which runs on through loops and seeks.
correct_dpf(distrho/src/DistrhoPluginCLAP.cpp
  [[fTimePosition.frame = process->steady_time >= 0 ? process->steady_time : 0;]]
  [[if (transport->flags & CLAP_TRANSPORT_HAS_SECONDS_TIMELINE)
                fTimePosition.frame = static_cast<uint64_t>(static_cast<int64_t>(
                    std::floor(static_cast<double>(transport->song_pos_seconds) / CLAP_SECTIME_FACTOR * fPlugin.getSampleRate() + 0.5)));
            else
                fTimePosition.frame = process->steady_time >= 0 ? process->steady_time : 0;]])

# VST3: all output buses, not the first alone. Every bus of ours is a stereo pair.
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

add_subdirectory(${DPF_FOLDER} dpf EXCLUDE_FROM_ALL)
