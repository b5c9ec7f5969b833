# SPDX-License-Identifier: Apache-2.0 OR MIT
# Every library that the project uses, found in one place. What scripts/setup unpacked into .deps/
# is looked for after the system's own packages.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CURL REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf>=1.1)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(LIBCAP REQUIRED IMPORTED_TARGET libcap)
pkg_check_modules(LIBCRYPT REQUIRED IMPORTED_TARGET libcrypt)
pkg_check_modules(YAML_CPP REQUIRED IMPORTED_TARGET yaml-cpp)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
find_path(TOMLPP_INCLUDE_DIR toml++/toml.h REQUIRED)

find_path(MSGPACK_INCLUDE_DIR msgpack.hpp
          PATHS ${CMAKE_SOURCE_DIR}/.deps/msgpack-cxx/usr/include REQUIRED)
add_library(msgpack_headers INTERFACE)
target_include_directories(msgpack_headers SYSTEM INTERFACE ${MSGPACK_INCLUDE_DIR})
target_compile_definitions(msgpack_headers INTERFACE MSGPACK_NO_BOOST)

# Apache Arrow serves only rezolus-recording. A system package wins; else the headers and libraries
# of the pyarrow wheel that scripts/setup unpacked.
find_package(Arrow QUIET)
find_package(Parquet QUIET)
add_library(rezolus_arrow INTERFACE)
if(Arrow_FOUND AND Parquet_FOUND)
  target_link_libraries(rezolus_arrow INTERFACE Arrow::arrow_shared Parquet::parquet_shared)
  set(REZOLUS_HAVE_ARROW ON)
else()
  set(PYARROW_DIR ${CMAKE_SOURCE_DIR}/.deps/pyarrow/pyarrow)
  find_library(PYARROW_ARROW arrow PATHS ${PYARROW_DIR} NO_DEFAULT_PATH)
  find_library(PYARROW_PARQUET parquet PATHS ${PYARROW_DIR} NO_DEFAULT_PATH)
  if(PYARROW_ARROW AND PYARROW_PARQUET)
    target_include_directories(rezolus_arrow SYSTEM INTERFACE ${PYARROW_DIR}/include)
    target_link_libraries(rezolus_arrow INTERFACE ${PYARROW_ARROW} ${PYARROW_PARQUET})
    set(REZOLUS_HAVE_ARROW ON)
  else()
    set(REZOLUS_HAVE_ARROW OFF)
    message(WARNING "Apache Arrow was not found: rezolus-recording will not be built. "
                    "Run scripts/setup.")
  endif()
endif()

# The field's own .proto files, fetched by scripts/setup, as C++ by protoc. Without them there are no
# protobuf formats. Their generated code is not held to our warnings.
add_library(rezolus_protocols INTERFACE)
find_package(Protobuf)
set(PROTOCOLS_DIR ${CMAKE_SOURCE_DIR}/.deps/protocols)
find_package(Snappy QUIET)  # of remote write's bodies
if(Protobuf_FOUND AND Protobuf_PROTOC_EXECUTABLE AND Snappy_FOUND
   AND EXISTS ${PROTOCOLS_DIR}/io/prometheus/client/metrics.proto
   AND EXISTS ${PROTOCOLS_DIR}/remote.proto)
  set(REZOLUS_HAVE_PROTOCOLS ON)
  set(generated ${CMAKE_BINARY_DIR}/protocols)
  file(MAKE_DIRECTORY ${generated})
  set(protocol_sources)
  foreach(protocol gogoproto/gogo io/prometheus/client/metrics
                   io/prometheus/write/v2/types remote types)
    add_custom_command(
      OUTPUT ${generated}/${protocol}.pb.cc ${generated}/${protocol}.pb.h
      COMMAND ${Protobuf_PROTOC_EXECUTABLE} -I${PROTOCOLS_DIR} --cpp_out=${generated}
              ${protocol}.proto
      DEPENDS ${PROTOCOLS_DIR}/${protocol}.proto
      COMMENT "Protocol ${protocol}.proto" VERBATIM)
    list(APPEND protocol_sources ${generated}/${protocol}.pb.cc)
  endforeach()
  add_library(rezolus_protocol_messages STATIC ${protocol_sources})
  target_include_directories(rezolus_protocol_messages SYSTEM PUBLIC ${generated})
  target_link_libraries(rezolus_protocol_messages PUBLIC protobuf::libprotobuf Snappy::snappy)
  target_link_libraries(rezolus_protocols INTERFACE rezolus_protocol_messages)
else()
  set(REZOLUS_HAVE_PROTOCOLS OFF)
  message(WARNING "The .proto files of Prometheus, protobuf or snappy were not found: no protobuf "
                  "formats, no remote write. "
                  "Run scripts/setup.")
endif()

# OTLP's messages, of the descriptors in the Python package that OpenTelemetry makes of its .proto
# files.
set(OTLP_DESCRIPTORS ${CMAKE_SOURCE_DIR}/.deps/opentelemetry-proto/descriptors.pb)
if(REZOLUS_HAVE_PROTOCOLS AND EXISTS ${OTLP_DESCRIPTORS})
  set(REZOLUS_HAVE_OTLP ON)
  set(otlp_protocols common/v1/common resource/v1/resource metrics/v1/metrics
                     collector/metrics/v1/metrics_service)
  list(TRANSFORM otlp_protocols PREPEND opentelemetry/proto/)
  list(TRANSFORM otlp_protocols APPEND .proto OUTPUT_VARIABLE otlp_files)
  list(TRANSFORM otlp_protocols PREPEND ${generated}/)
  list(TRANSFORM otlp_protocols APPEND .pb.cc OUTPUT_VARIABLE otlp_sources)
  list(TRANSFORM otlp_protocols APPEND .pb.h OUTPUT_VARIABLE otlp_headers)
  add_custom_command(
    OUTPUT ${otlp_sources} ${otlp_headers}
    COMMAND ${Protobuf_PROTOC_EXECUTABLE} --descriptor_set_in=${OTLP_DESCRIPTORS}
            --cpp_out=${generated} ${otlp_files}
    DEPENDS ${OTLP_DESCRIPTORS}
    COMMENT "Protocol OTLP" VERBATIM)
  target_sources(rezolus_protocol_messages PRIVATE ${otlp_sources})
else()
  set(REZOLUS_HAVE_OTLP OFF)
  message(WARNING "The definitions of OTLP were not found: it cannot be pushed. Run scripts/setup.")
endif()

if(REZOLUS_TESTS)
  find_package(GTest REQUIRED)
  find_package(benchmark QUIET)
endif()
