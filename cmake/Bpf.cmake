# SPDX-License-Identifier: Apache-2.0 OR MIT
# rezolus_bpf(NAME source.bpf.c): compiles a BPF object and embeds it as a bpftool skeleton header
# NAME.skel.h, from which the family takes the object's bytes.

find_program(REZOLUS_CLANG NAMES clang-14 clang REQUIRED)
find_program(REZOLUS_BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)
find_program(REZOLUS_LLVM_STRIP NAMES llvm-strip-14 llvm-strip REQUIRED)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(REZOLUS_BPF_ARCH arm64)
  set(REZOLUS_BPF_OTHER_ARCH x86)
else()
  set(REZOLUS_BPF_ARCH x86)
  set(REZOLUS_BPF_OTHER_ARCH arm64)
endif()

function(_rezolus_bpf_object object source arch)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${REZOLUS_CLANG} -target bpf -mcpu=v2 -O2 -g -Wall -Werror
            -D__TARGET_ARCH_${arch} -I${CMAKE_SOURCE_DIR}/src
            -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
    COMMAND ${REZOLUS_LLVM_STRIP} -g ${object}
    DEPENDS ${source} DEPFILE ${object}.d
    COMMENT "BPF ${source} for ${arch}" VERBATIM)
endfunction()

# The object for the other architecture is compiled as well where tests are built, so that what is
# written for it does not rot.
function(rezolus_bpf name source)
  cmake_path(ABSOLUTE_PATH source NORMALIZE)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  _rezolus_bpf_object(${object} ${source} ${REZOLUS_BPF_ARCH})
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND sh -c "${REZOLUS_BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}"
    DEPENDS ${object} COMMENT "BPF skeleton ${name}" VERBATIM)
  add_custom_target(rezolus_bpf_${name} DEPENDS ${skeleton})
  add_library(rezolus_skel_${name} INTERFACE)
  target_include_directories(rezolus_skel_${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
  add_dependencies(rezolus_skel_${name} rezolus_bpf_${name})
  if(REZOLUS_TESTS)
    set(other ${CMAKE_CURRENT_BINARY_DIR}/${name}.${REZOLUS_BPF_OTHER_ARCH}.bpf.o)
    _rezolus_bpf_object(${other} ${source} ${REZOLUS_BPF_OTHER_ARCH})
    add_custom_target(rezolus_bpf_${name}_${REZOLUS_BPF_OTHER_ARCH} ALL DEPENDS ${other})
  endif()
endfunction()
