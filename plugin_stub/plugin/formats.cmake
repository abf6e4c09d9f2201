# The formats of FORMATS. Debian's DPF has no CLAP in its CMake, so that one is made here as DPF makes the others.
include(${CMAKE_CURRENT_LIST_DIR}/dpf.cmake)

set(BY_DPF ${FORMATS})
list(REMOVE_ITEM BY_DPF clap)
if(APPLE)
  file(STRINGS ${DPF_FOLDER}/cmake/DPF-plugin.cmake KNOWS_AU REGEX "dpf__build_au")
  if(KNOWS_AU)
    list(APPEND BY_DPF au)
  endif()
endif()

dpf_add_plugin(stemweave TARGETS ${BY_DPF} FILES_DSP ${CMAKE_CURRENT_SOURCE_DIR}/plugin/Plugin.cpp)
target_include_directories(stemweave PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/plugin ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(stemweave-dsp PUBLIC stemweave-wire)

if("clap" IN_LIST FORMATS)
  dpf__add_module(stemweave-clap)
  dpf__add_plugin_main(stemweave-clap clap)
  dpf__set_module_export_list(stemweave-clap clap)
  target_link_libraries(stemweave-clap PRIVATE stemweave-dsp stemweave-ui)
  set_target_properties(stemweave-clap PROPERTIES PREFIX "" SUFFIX ".clap" OUTPUT_NAME stemweave
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/bin/$<0:>)
endif()

if(TARGET stemweave-jack)
  target_compile_definitions(stemweave-jack PRIVATE HAVE_JACK)  # DPF's CMake forgets it; libjack is found when the program runs
endif()
