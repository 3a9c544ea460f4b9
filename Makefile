# Everything a developer or the CI runs. `make` alone lists the targets.
#
# ARGS goes on to the program: make run ARGS="--listen 127.0.0.1:9000", make bench ARGS=--quick.
# CARGO_TARGET_DIR is honoured; CHROMIUM names another browser for `make test`. `make services` starts
# PostgreSQL, Redis and Kafka for one command: make services CMD="cargo test --lib log::postgres".

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The steps share two caches, cargo's and npm's; each of them uses every core by itself.
.NOTPARALLEL:

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
STEP := scripts/step
# The clients that the pages are built on, and what they need to be compiled.
CLIENT := clients/typescript
CLIENT_PACKAGES := $(CLIENT)/node_modules/.package-lock.json
# What the pages are built from.
PAGES := $(shell find web $(CLIENT) -name node_modules -prune -o -name dist -prune -o -name test -prune \
	-o -name generated -prune -o -type f ! -name README.md ! -name .gitignore -print) \
	$(wildcard docs/reference/events.schema.json)
FUZZ_SECONDS ?= 60

.PHONY: help run web test lint bench drill docs fuzz clean services browser toolchain golang python servers

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: web ## build everything and start a demo on this machine
	@$(STEP) "server: release build" cargo build --release --locked --bin switchboard
	@exec $(TARGET)/release/switchboard serve --demo $(ARGS)

web: web/dist/index.html ## build the pages that the server embeds

test: browser golang python servers web $(CLIENT_PACKAGES) e2e/node_modules/.package-lock.json ## run every test
	@$(STEP) "TypeScript clients: tests" npm --prefix $(CLIENT) test
	@$(STEP) "web: unit tests" npm --prefix web test
	@$(STEP) "server: tests" scripts/with-services cargo test --workspace --locked
	@$(STEP) "server: build for the tests from outside" cargo build --locked --package switchboard --package switchboard-drill --bins
	@$(STEP) "drill: two nodes, each fault once" $(TARGET)/debug/switchboard-drill --short --nodes 2 --seed 1
	@cd clients/go && SWITCHBOARD_BIN=$(TARGET)/debug/switchboard \
	../../$(STEP) "go client: tests" ../../scripts/with-server go test -count=1 ./...
	@SWITCHBOARD_BIN=$(TARGET)/debug/switchboard $(STEP) "rust client: against the program" \
	scripts/with-server cargo run --quiet --locked --package switchboard-client --example broadcast
	@cd e2e/python && SWITCHBOARD_BIN=$(TARGET)/debug/switchboard \
	../../$(STEP) "python client: tests" ../../scripts/with-server .venv/bin/python -m unittest
	@# The last step: its runner's own closing lines end the output.
	@SWITCHBOARD_BIN=$(TARGET)/debug/switchboard $(STEP) --last "browser tests" \
	scripts/with-services npm --prefix e2e test

CMD ?= $(SHELL)
services: servers ## run CMD, or a shell, beside servers of its own, as `make test` does
	@scripts/with-services $(CMD)

lint: toolchain golang web $(CLIENT_PACKAGES) web/node_modules/.package-lock.json e2e/node_modules/.package-lock.json ## check formatting, lints and types
	@$(STEP) "format" cargo fmt --all --check
	@$(STEP) "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
	@$(STEP) "TypeScript clients: types" npm --prefix $(CLIENT) run lint
	@$(STEP) "web: types" npm --prefix web run lint
	@$(STEP) "go client: format" bash -c '! gofmt -d clients/go | grep .'
	@cd clients/go && ../../$(STEP) "go client: vet" go vet ./...
	@$(STEP) "browser tests: lint" npm --prefix e2e run --if-present lint

# What the Socket.IO figures are compared with; --no-reference does without.
REFERENCE := $(if $(findstring --no-reference,$(ARGS)),,bench/reference/node_modules/.package-lock.json)

bench: web servers $(REFERENCE) ## measure the release build; the figures go to bench-results.json
	@$(STEP) "server and load generator: release build" cargo build --release --workspace --locked
	@ulimit -n "$$(ulimit -Hn)" || true; \
	$(TARGET)/release/switchboard-bench --json bench-results.json $(ARGS)

drill: servers ## run a cluster, break it and what it depends on, and check that every promise held
	@$(STEP) "server and drill: release build" cargo build --release --locked --package switchboard --package switchboard-drill
	@$(TARGET)/release/switchboard-drill $(ARGS)

docs: ## write the generated references anew
	@UPDATE_DOCS=1 $(STEP) "references" cargo test --locked --test docs

fuzz: ## feed each fuzz target garbage for FUZZ_SECONDS (wants nightly Rust and cargo-fuzz)
	@test -d fuzz || { echo "make fuzz: there is no fuzz target yet" >&2; exit 1; }
	@for target in $$(cargo +nightly fuzz list); do \
		$(STEP) "fuzz: $$target" cargo +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS); \
	done

clean: ## remove what was built and installed here; data stays
	cargo clean
	rm -rf $(CLIENT)/dist $(CLIENT)/src/generated $(CLIENT)/node_modules web/dist web/node_modules \
		e2e/node_modules e2e/python/.venv bench/reference/node_modules bench-results.json

web/dist/index.html: $(PAGES) $(CLIENT_PACKAGES) web/node_modules/.package-lock.json
	@$(STEP) "web: build" npm --prefix web run build

# npm writes this file into node_modules last of all, so its age is that of the installation.
%/node_modules/.package-lock.json: %/package-lock.json %/package.json
	@$(STEP) "$*: packages" npm --prefix $* ci
	@touch $@

browser:
	@scripts/need-chromium

toolchain:
	@scripts/need-rust-components

golang:
	@scripts/need-go

python:
	@scripts/need-python

servers:
	@scripts/need-services
