// What DPF needs to know before it compiles.
#pragma once

#define DISTRHO_PLUGIN_BRAND "stemweave"
#define DISTRHO_PLUGIN_NAME "stemweave"
#define DISTRHO_PLUGIN_URI "urn:stemweave:plugin"
#define DISTRHO_PLUGIN_CLAP_ID "stemweave.plugin"
#define DISTRHO_PLUGIN_BRAND_ID sWve  // AU asks for it; the VST3's name does without, as it does in a DPF that knows no brands
#define DISTRHO_PLUGIN_UNIQUE_ID sWve
#define DPF_VST3_DONT_USE_BRAND_ID

#define DISTRHO_PLUGIN_HAS_UI 1
#define DISTRHO_PLUGIN_HAS_EMBED_UI 1
// The window reads the talker's status itself: texts, track lists and outlines fit no parameter, and as state they would be saved with
// the project and pass through the host at every look. It costs a host that keeps windows in another process its window.
#define DISTRHO_PLUGIN_WANT_DIRECT_ACCESS 1
#define DISTRHO_UI_USE_NANOVG 1
#define DISTRHO_UI_USER_RESIZABLE 1
#define DISTRHO_UI_FILE_BROWSER 0
#define DISTRHO_UI_DEFAULT_WIDTH 720
#define DISTRHO_UI_DEFAULT_HEIGHT 520
#define DISTRHO_PLUGIN_IS_RT_SAFE 1
#define DISTRHO_PLUGIN_NUM_INPUTS 2
#define DISTRHO_PLUGIN_NUM_OUTPUTS 12
#define DISTRHO_PLUGIN_WANT_TIMEPOS 1
#define DISTRHO_PLUGIN_WANT_STATE 1
#define DISTRHO_PLUGIN_WANT_FULL_STATE 1

#define DISTRHO_PLUGIN_LV2_CATEGORY "lv2:SpectralPlugin"
#define DISTRHO_PLUGIN_VST3_CATEGORIES "Fx|Tools"
#define DISTRHO_PLUGIN_CLAP_FEATURES "audio-effect", "utility", "stereo"
