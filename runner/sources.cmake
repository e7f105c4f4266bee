# The sources of nnrun and of the programs that test, fuzz and measure it: one folder a layer, each of
# which may include those before it. A new file needs no line here.
set(NNRUN_LAYERS core text io kernels net vision track bench language verbs)

# nnrun_sources(VARIABLE LAYER...): the .cpp files of these layers, sorted.
function(nnrun_sources variable)
  set(sources)
  foreach(layer IN LISTS ARGN)
    file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/src/${layer}/*.cpp)
    list(APPEND sources ${files})
  endforeach()
  # Kernels for a CPU that has more than all have: chosen at run time. Sums fill the registers: a
  # scheduler that loads earlier would store some of them.
  set(newer ${sources})
  list(FILTER newer INCLUDE REGEX "_armv82\\.cpp$")
  if(newer AND CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
    set_source_files_properties(${newer} PROPERTIES COMPILE_OPTIONS "-march=armv8.2-a+dotprod+fp16;-fno-schedule-insns")
  endif()
  set(${variable} ${sources} PARENT_SCOPE)
endfunction()
