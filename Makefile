# SPDX-License-Identifier: Apache-2.0 OR MIT
# The front door. A comment behind a target is its line in `make help`; what a target does is in
# scripts/, CMake and tests/vm.

KERNEL ?= newest
# What loads BPF programs needs root.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
BUILD_RELEASE := cmake --preset release && cmake --build --preset release

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

.PHONY: setup
setup: ## install what build and tests need (asks first on a terminal)
	@scripts/setup

.PHONY: demo
demo: setup ## record ten seconds of this machine into rezolus.parquet and print what was seen
	$(BUILD_RELEASE) --target rezolus rezolus-recording
	$(AS_ROOT) build/release/rezolus record --duration 10s rezolus.parquet

.PHONY: build
build: ## build everything for everyday work, in build/dev
	cmake --preset dev && cmake --build --preset dev

.PHONY: test
test: ## the tests that need no root and no network
	@scripts/check build-unit unit

.PHONY: check
check: setup ## every test: units, live on this kernel, end to end, benchmarks once, VM kernels
	@scripts/check

.PHONY: check-kernels
check-kernels: setup ## the live tests on every kernel that scripts/fetch-kernels gets
	@scripts/check --kernels all build-live vm

.PHONY: check-vm
check-vm: setup ## the live tests on one kernel: make check-vm KERNEL=6.1
	@scripts/check --kernels $(KERNEL) build-live vm

.PHONY: check-harness
check-harness: setup ## test the VM harness itself
	@tests/vm/run --self-test all && tests/vm/harness_test

.PHONY: check-long
check-long: build ## tests that take minutes: a hundred recordings killed, ten thousand cgroups
	@scripts/check long

.PHONY: check-peers
check-peers: build ## Spark reads our files, Prometheus 3 and a Collector take what we push; fetches all (456 MB), needs Java 17 and go
	@scripts/check peers

.PHONY: bench
bench: setup ## run the benchmarks and print their ratios
	$(BUILD_RELEASE)
	@$(AS_ROOT) scripts/check --build build/release bench-full

.PHONY: bench-record
bench-record: setup ## cost at 1 ms, and lateness on a busy host; 20 minutes
	$(BUILD_RELEASE) --target rezolus rezolus-recording
	@$(AS_ROOT) .deps/venv/bin/python bench/record cost
	@$(AS_ROOT) .deps/venv/bin/python bench/record lateness

.PHONY: bench-flight
bench-flight: setup ## snapshots of 15 minutes at 10 ms, and what keeping them costs; 3 minutes
	$(BUILD_RELEASE) --target rezolus rezolus-recording rezolus-replay
	@$(AS_ROOT) .deps/venv/bin/python bench/flight

.PHONY: soak
soak: setup ## memory over an hour of recording at 10 ms: make soak SOAK_SECONDS=600
	$(BUILD_RELEASE) --target rezolus rezolus-recording
	@$(AS_ROOT) .deps/venv/bin/python -u bench/record soak --seconds $(or $(SOAK_SECONDS),3600)

.PHONY: asan
asan: ## the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/check asan

.PHONY: fuzz
fuzz: ## fuzz each parser of foreign bytes for a minute: make fuzz FUZZ_SECONDS=600
	@FUZZ_SECONDS=$(or $(FUZZ_SECONDS),60) scripts/check fuzz

.PHONY: format
format: ## format C++ and BPF sources in place
	git ls-files -z '*.cpp' '*.h' '*.c' ':!*.bpf.*' | xargs -0 -r clang-format-19 -i
	git ls-files -z '*.bpf.c' '*.bpf.h' | \
	  xargs -0 -r clang-format-19 -i --style=file:scripts/bpf.clang-format

.PHONY: tidy
tidy: ## run clang-tidy over the sources of build/dev
	run-clang-tidy-19 -quiet -p build/dev '^$(CURDIR)/src/'

.PHONY: docs
docs: ## make docs/metrics.md from the metric tables
	cmake --preset dev && cmake --build --preset dev --target rezolus-metrics-doc
	build/dev/rezolus-metrics-doc >docs/metrics.md.new && mv docs/metrics.md.new docs/metrics.md

.PHONY: dashboards
dashboards: ## make Grafana dashboards and recording rules from docs/metrics.md
	tools/dashboards

.PHONY: clean
clean: ## remove build/ (what scripts/setup fetched stays in .deps/)
	rm -rf build
