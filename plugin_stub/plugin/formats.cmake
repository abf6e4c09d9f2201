# The formats of FORMATS, and AU on macOS where DPF has it. Debian's has no CLAP in its CMake, so that one is made here as DPF makes
# the others.
include(${CMAKE_CURRENT_LIST_DIR}/dpf.cmake)

set(BY_DPF ${FORMATS})
file(STRINGS ${DPF_FOLDER}/cmake/DPF-plugin.cmake KNOWN REGEX "^function\\(dpf__build_")
if(NOT KNOWN MATCHES "dpf__build_clap")
  list(REMOVE_ITEM BY_DPF clap)
endif()
if(APPLE AND KNOWN MATCHES "dpf__build_au")
  list(APPEND BY_DPF au)
endif()

# The font as an array.
set(WINDOW_FONT ${CMAKE_CURRENT_BINARY_DIR}/font.cpp)
set(FONT_FILE ${CMAKE_CURRENT_SOURCE_DIR}/window/font/DejaVuSans-subset.ttf)
file(READ ${FONT_FILE} FONT_BYTES HEX)
file(SIZE ${FONT_FILE} FONT_SIZE)
string(REGEX REPLACE "(..)" "0x\\1," FONT_BYTES "${FONT_BYTES}")
file(CONFIGURE OUTPUT ${WINDOW_FONT} CONTENT "#include \"window/font.hpp\"\n
const unsigned char stemweave::kFont[] = {${FONT_BYTES}};\nconst unsigned stemweave::kFontSize = ${FONT_SIZE};\n" @ONLY)

# LV2 too holds plug-in and window in one object: the window looks at the plug-in itself (DISTRHO_PLUGIN_WANT_DIRECT_ACCESS).
dpf_add_plugin(stemweave TARGETS ${BY_DPF} MONOLITHIC UI_TYPE opengl
  FILES_DSP ${CMAKE_CURRENT_SOURCE_DIR}/plugin/Plugin.cpp
  FILES_UI plugin/UI.cpp window/widgets.cpp window/pages.cpp window/reveal.cpp ${WINDOW_FONT})
# A letter set of our own (39 KB) for DPF's (757 KB), and none of its file dialogs.
target_compile_definitions(dgl-opengl-definitions INTERFACE DGL_NO_SHARED_RESOURCES DGL_FILE_BROWSER_DISABLED)
target_link_libraries(stemweave-ui PUBLIC stemweave-window stemweave-wire)
target_include_directories(stemweave PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/plugin ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(stemweave-dsp PUBLIC stemweave-wire)

if("clap" IN_LIST FORMATS AND NOT "clap" IN_LIST BY_DPF)
  dpf__add_module(stemweave-clap)
  dpf__add_plugin_main(stemweave-clap clap)
  dpf__add_ui_main(stemweave-clap clap dgl-opengl)
  dpf__set_module_export_list(stemweave-clap clap)
  target_link_libraries(stemweave-clap PRIVATE stemweave-dsp stemweave-ui)
  set_target_properties(stemweave-clap PROPERTIES PREFIX "" SUFFIX ".clap" OUTPUT_NAME stemweave
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/bin/$<0:>)
endif()

# What nobody calls is left out: the picture readers of NanoVG, most of all.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT APPLE AND NOT WIN32)
  foreach(LIBRARY dgl-opengl stemweave-ui stemweave-dsp stemweave-wire stemweave-core stemweave-window)
    target_compile_options(${LIBRARY} PRIVATE -ffunction-sections -fdata-sections)
  endforeach()
  foreach(FORMAT ${FORMATS})
    target_link_options(stemweave-${FORMAT} PRIVATE -Wl,--gc-sections $<$<CONFIG:Release>:-s>)
  endforeach()
endif()

if(TARGET stemweave-jack)
  target_compile_definitions(stemweave-jack PRIVATE HAVE_JACK)  # DPF's CMake forgets it; libjack is found when the program runs
endif()
