# The two commands to know: `make run` and `make test`. Each target installs what it lacks (Scripts/setup.sh).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

BINARY := .build/release/strongroom
# The walls between rooms: a target that imports what it does not declare fails to build.
WALLS := --explicit-target-dependency-import-check error
# The server as it is shipped. Optimised across modules, NIO's too: a request crosses dozens of walls. Exclusive access is checked at
# run time in debug builds, which the unit tests use; here each request would make hundreds of such checks.
RELEASE := -c release --static-swift-stdlib --product strongroom \
	-Xswiftc -cross-module-optimization -Xswiftc -enforce-exclusivity=unchecked
# Integration tests: so many processes, each takes a file at a time in the order of conftest.py. PYTEST_ARGS="-n 0" takes it back.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder
# Swift sources under format rules.
SOURCES := Sources Tests Benchmarks Package.swift

.PHONY: help run release test check bench format clean setup setup-test setup-bench

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: release ## build, then start `strongroom dev` in the foreground; options in ARGS="--port 9443"
	@exec $(BINARY) dev $(ARGS)

release: setup ## build the release binary, .build/release/strongroom
	swift build $(RELEASE)

test: setup-test ## build and run all unit, contract and integration tests
	swift build --build-tests $(WALLS)
	swift test --skip-build $(WALLS)
	swift build $(RELEASE)
	STRONGROOM_BINARY="$(CURDIR)/$(BINARY)" .venv/bin/python -m pytest IntegrationTests $(PARALLEL) $(PYTEST_ARGS)
	@echo "make test: all unit, contract and integration tests passed"

check: setup ## check formatting, warnings and the walls between rooms
	swift format lint --strict --recursive $(SOURCES)
	swift build --build-tests $(WALLS)
	@echo "make check: format, warnings and imports are in order"

bench: setup-bench release ## measure against nginx and the disk; see Benchmarks/README.md
	STRONGROOM_BINARY="$(CURDIR)/$(BINARY)" Benchmarks/run.sh

format: ## format all Swift sources
	swift format format --in-place --recursive $(SOURCES)

clean: ## remove build products and the Python environment; .strongroom, which holds data, stays
	rm -rf .build .venv .venv-az .fips Benchmarks/results

setup:
	@Scripts/setup.sh
setup-test:
	@Scripts/setup.sh test
setup-bench:
	@Scripts/setup.sh bench
