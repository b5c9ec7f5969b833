# SPDX-License-Identifier: Apache-2.0 OR MIT
# The samplers that read files and the thread that reads them; paths relative to this folder.
# Live tests are listed apart: they belong to another test program.
set(FILE_SAMPLER_SOURCES
  slow_sources.cpp
  cpu/cpu_cores.cpp
  cpu/cpu_interrupts.cpp
  cpu/cpu_usage.cpp
  memory/memory_meminfo.cpp
  memory/memory_vmstat.cpp
  pressure/pressure.cpp
  rezolus/rezolus_bpf.cpp
  network/interface_stats.cpp
  rezolus/rezolus_rusage.cpp
  scheduler/task_cpu_usage.cpp)
set(FILE_SAMPLER_TESTS
  slow_sources_test.cpp
  cpu/cpu_cores_test.cpp
  cpu/cpu_interrupts_test.cpp
  cpu/cpu_usage_test.cpp
  memory/memory_meminfo_test.cpp
  memory/memory_vmstat_test.cpp
  pressure/pressure_test.cpp
  rezolus/rezolus_bpf_test.cpp
  network/interface_stats_test.cpp
  rezolus/rezolus_rusage_test.cpp
  scheduler/task_cpu_usage_test.cpp)
set(FILE_SAMPLER_LIVE_TESTS
  cpu/cpu_cores_live_test.cpp
  cpu/cpu_interrupts_live_test.cpp
  cpu/cpu_usage_live_test.cpp
  memory/memory_meminfo_live_test.cpp
  memory/memory_vmstat_live_test.cpp
  pressure/pressure_live_test.cpp
  rezolus/rezolus_bpf_live_test.cpp
  network/interface_stats_live_test.cpp
  rezolus/rezolus_rusage_live_test.cpp
  scheduler/task_cpu_usage_live_test.cpp)
