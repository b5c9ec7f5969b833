# SPDX-License-Identifier: Apache-2.0 OR MIT
# How libraries, programs and tests are declared. A folder's CMakeLists.txt is a list of its files.

add_library(rezolus_options INTERFACE)
target_compile_options(rezolus_options INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers -Wno-deprecated-enum-enum-conversion
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow>)
if(REZOLUS_SANITIZE)
  target_compile_options(rezolus_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(rezolus_options INTERFACE -fsanitize=address,undefined)
endif()
if(REZOLUS_FUZZ)
  # The libraries are instrumented as well: what they do is what the fuzzer looks at.
  target_compile_options(rezolus_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# rezolus_library(NAME SOURCES a.cpp … LINK lib …): the static library rezolus_NAME.
function(rezolus_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(rezolus_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(rezolus_${name} PUBLIC rezolus_options ${ARG_LINK})
endfunction()

# rezolus_program(NAME SOURCES … LINK …): an executable, placed at the top of the build folder.
function(rezolus_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE rezolus_options ${ARG_LINK})
endfunction()

# rezolus_test(KIND SOURCES … LINK …): adds sources to one of the test programs.
#   unit:      rezolus-tests            no root, no network
#   recording: rezolus-recording-tests  the same, with Arrow
#   live:      rezolus-live-tests       root; loads BPF programs
function(rezolus_test kind)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  foreach(source ${ARG_SOURCES})
    cmake_path(ABSOLUTE_PATH source NORMALIZE)
    set_property(GLOBAL APPEND PROPERTY REZOLUS_TEST_SOURCES_${kind} ${source})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY REZOLUS_TEST_LINK_${kind} ${ARG_LINK})
endfunction()

# rezolus_fuzzer(NAME SOURCES … LINK …): the libFuzzer target NAME, in the preset `fuzz` alone. Its
# corpus is tests/fuzz/NAME, which a unit test replays in every build (fuzz/replay.h).
function(rezolus_fuzzer name)
  if(NOT REZOLUS_FUZZ)
    return()
  endif()
  rezolus_program(${name} ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()

function(rezolus_finish_tests)
  if(NOT REZOLUS_TESTS)
    return()
  endif()
  foreach(pair unit=rezolus-tests recording=rezolus-recording-tests live=rezolus-live-tests)
    string(REPLACE "=" ";" pair ${pair})
    list(GET pair 0 kind)
    list(GET pair 1 program)
    get_property(sources GLOBAL PROPERTY REZOLUS_TEST_SOURCES_${kind})
    get_property(links GLOBAL PROPERTY REZOLUS_TEST_LINK_${kind})
    if(sources)
      list(REMOVE_DUPLICATES links)
      add_executable(${program} ${sources})
      target_compile_definitions(${program} PRIVATE
        REZOLUS_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
      target_include_directories(${program} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
      if(kind STREQUAL "live")
        target_link_libraries(${program} PRIVATE rezolus_options ${links} GTest::gtest GTest::gmock)
      else()
        target_link_libraries(${program} PRIVATE rezolus_options ${links} GTest::gtest_main
                              GTest::gmock)
      endif()
    endif()
  endforeach()
endfunction()
