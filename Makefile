# Everything a person or a machine does with this repository. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
DENY := $(or $(shell command -v cargo-deny),.tools/cargo-deny/bin/cargo-deny)
FUZZ := $(or $(shell command -v cargo-fuzz),.tools/cargo-fuzz/bin/cargo-fuzz)
NEXTEST := $(shell command -v cargo-nextest)
DOC ?=
PROFILE ?= release
EXAMPLES ?= 25
FILES ?= 10000
SEED ?= 1
DOCUMENTS ?=
FUZZ_FOR ?= 300
PEERS ?= celery-postgres,celery-redis,celery,dramatiq,rusty-celery
REQUEST ?= $(if $(DOC),,examples/invoice.request.json)

say = @printf '\n==> %s\n' "$(1)"

.PHONY: fuzz fuzz-readers help setup needs build run up down test fmt format lint doc deny advisories deploy-check api-check tests test-hatchet test-temporal accuracy bench bench-fleet bench-admission bench-api bench-backends bench-fairness bench-text clean-state

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: needs ## Install what is missing: for the build, and RabbitMQ, Postgres, Redis and S3 for tests
	$(call say,Checking what the tests need)
	@deploy/setup/ocr.sh required
	@deploy/setup/s3-server.sh
	@deploy/setup/services.sh
	@crates/text/tests/documents/fetch.sh $(TARGET_DIR)/documents
	@crates/celery/tests/peers/install.sh $(TARGET_DIR)/peers/celery
	@tests/peers/inngest/install.sh $(TARGET_DIR)/peers/inngest

# Building and running ask for no services.
needs:
	$(call say,Checking what the build needs)
	@deploy/setup/system.sh
	@deploy/setup/pdfium.sh
	@deploy/setup/ocr.sh

build: needs ## Build the release binary
	$(call say,Building flotilla (release))
	@cargo build --release --package flotilla

run: build ## Run the example, or your own: make run DOC=a.pdf REQUEST=a.json
	$(call say,Running $(or $(DOC),examples/invoice.pdf))
	@$(TARGET_DIR)/release/flotilla run "$(or $(DOC),examples/invoice.pdf)" $(if $(REQUEST),--request "$(REQUEST)")

up: setup ## Bring a whole fleet up on this machine, from binaries (PROFILE=debug builds faster)
	$(call say,Building the fleet ($(PROFILE)))
	@cargo build --profile $(if $(filter debug,$(PROFILE)),dev,$(PROFILE)) --package dispatcher --package worker --bins
	$(call say,Bringing the fleet up)
	@deploy/dev/up.sh $(TARGET_DIR)/$(PROFILE)

down: ## End the fleet that `make up` started
	@deploy/dev/down.sh

# The tests come last, so that their totals are the last thing to read.
test: setup fmt lint doc deny deploy-check api-check tests ## Check everything: format, lints, docs, dependencies, deployment, API, tests

fmt: ## Check the format
	$(call say,Checking the format)
	@cargo fmt --all --check

format: ## Write the format
	@cargo fmt --all

lint: ## Run clippy; every warning is an error
	$(call say,Running clippy)
	@cargo clippy --workspace --all-targets --quiet -- -D warnings

doc: ## Build the documentation; broken links are errors
	$(call say,Building the documentation)
	@RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

deny: $(DENY) ## Check licences, sources and banned crates
	$(call say,Checking dependencies: bans and licences and sources)
	@$(DENY) check --hide-inclusion-graph bans licenses sources

advisories: $(DENY) ## Ask the RustSec database for known vulnerabilities (needs a network)
	$(call say,Checking dependencies: advisories)
	@$(DENY) check advisories

.tools/cargo-deny/bin/cargo-deny:
	$(call say,Building cargo-deny once (a minute or two))
	@deploy/setup/cargo-deny.sh

deploy-check: needs ## Check what deploys the fleet: Compose, Dockerfile, Helm chart, alerts, dashboard
	$(call say,Checking what deploys the fleet)
	@deploy/check/tools.sh
	@deploy/check/run.sh

api-check: needs ## Check the HTTP API from outside: schemathesis, two Python clients (EXAMPLES=25 requests per operation)
	$(call say,Checking the HTTP API from outside)
	@tests/api/tools.sh
	@cargo build --quiet --workspace --bins
	@tests/api/check.sh $(TARGET_DIR)/debug/flotilla $(EXAMPLES)

tests: setup ## Run the tests alone
	$(call say,Running the documentation's examples)
	@cargo test --workspace --doc --quiet
	$(call say,Building the programs that tests start)
	@cargo build --workspace --bins --quiet
	$(call say,Running the tests)
ifneq ($(NEXTEST),)
	@cargo nextest run --workspace
else
	@cargo test --workspace --lib --bins --tests --no-fail-fast | deploy/setup/test-totals.sh
endif

fuzz: needs ## Read damaged files, in release (FILES=10000 SEED=1 DOCUMENTS=folder of more documents to damage)
	$(call say,Reading $(FILES) damaged files)
	@FLOTILLA_FUZZ_FILES=$(FILES) FLOTILLA_FUZZ_SEED=$(SEED) FLOTILLA_FUZZ_DOCUMENTS="$(DOCUMENTS)" \
		cargo test --release --package text --test mutated -- --nocapture

fuzz-readers: $(FUZZ) ## Fuzz the readers that are ours with libFuzzer, led by coverage (FUZZ_FOR=300 seconds)
	$(call say,Fuzzing for $(FUZZ_FOR) s)
	@mkdir -p fuzz/corpus/document
	@PATH="$(abspath $(dir $(FUZZ))):$$PATH" cargo fuzz run --sanitizer none --release document -- \
		-max_total_time=$(FUZZ_FOR) -rss_limit_mb=3000 -timeout=30 -max_len=65536

.tools/cargo-fuzz/bin/cargo-fuzz:
	$(call say,Building cargo-fuzz once)
	@cargo install --quiet --locked cargo-fuzz --root .tools/cargo-fuzz

test-hatchet: setup ## Run the specs of the Hatchet backend, which compile gRPC
	$(call say,Running the specs of the Hatchet backend)
	@tests/peers/hatchet/install.sh $(TARGET_DIR)/peers/hatchet
	@cargo clippy --package backends --package specs --features specs/hatchet --all-targets --quiet -- -D warnings
ifneq ($(NEXTEST),)
	@cargo nextest run --package backends --package specs --features specs/hatchet -E 'test(/hatchet/) or binary(hatchet)'
else
	@cargo test --package backends --features hatchet --lib hatchet
	@cargo test --package specs --features hatchet --test hatchet
endif

test-temporal: setup ## Run the specs of the backend on Temporal against a real server (builds its SDK: minutes, once)
	$(call say,Checking the backend on Temporal)
	@deploy/setup/temporal.sh $(TARGET_DIR)/peers/temporal
	@cargo clippy --package backends --package specs --all-targets --features specs/temporal --quiet -- -D warnings
ifneq ($(NEXTEST),)
	@cargo nextest run --package backends --package specs --features specs/temporal -E 'test(/temporal/) or binary(temporal)'
else
	@cargo test --package backends --package specs --features specs/temporal --no-fail-fast -- temporal
	@cargo test --package specs --features specs/temporal --test temporal --no-fail-fast
endif

accuracy: needs ## Score field accuracy: make accuracy ARGS=folder-of-samples
	$(call say,Scoring accuracy)
	@cargo run --release --package benches --bin accuracy -- $(ARGS)

bench: build ## Measure one run of a one-page document: time and memory per stage
	$(call say,Measuring one run of a one-page document)
	@cargo run --release --package benches --bin one_page -- $(ARGS)

bench-fleet: setup ## Measure the fleet beside Celery, Dramatiq and the raw servers (PEERS= for ours alone)
	$(call say,Building the fleet and its peers)
	@cargo build --release --package dispatcher --package worker --package benches --bins
	@$(if $(PEERS),benches/fleet/peers/install.sh $(TARGET_DIR)/peers,true)
	$(call say,Measuring: some eight minutes with all peers)
	@benches/fleet/with-servers.sh $(TARGET_DIR)/release/fleet $(if $(PEERS),--peers $(PEERS)) \
		--peers-venv $(TARGET_DIR)/peers/venv \
		--rusty-celery $(TARGET_DIR)/peers/rusty-celery/release/rusty-celery-peer \
		--out benches/results/fleet $(ARGS)

bench-admission: setup ## Measure what an admission costs with a hundred, ten thousand and a million queued runs
	$(call say,Measuring admission)
	@cargo build --release --package benches --bin admission
	@benches/fleet/with-servers.sh $(TARGET_DIR)/release/admission $(ARGS)

bench-api: setup ## Measure what the HTTP API takes: submissions, status, readers of events (installs wrk)
	$(call say,Measuring the HTTP API)
	@command -v wrk >/dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends wrk; } >/dev/null
	@cargo build --release --package dispatcher --package benches --bin dispatcher --bin api
	@benches/fleet/with-servers.sh $(TARGET_DIR)/release/api $(ARGS)

bench-backends: setup ## Measure what a task costs on each backend: fleet, Celery, Temporal (builds its SDK)
	$(call say,Measuring backends)
	@deploy/setup/temporal.sh $(TARGET_DIR)/peers/temporal
	@cargo build --release --package benches --features temporal --bin backends
	@benches/fleet/with-servers.sh $(TARGET_DIR)/release/backends $(ARGS)

bench-fairness: setup ## Measure who waits how long behind one tenant with ten thousand queued runs
	$(call say,Measuring fairness)
	@cargo build --release --package benches --bin fairness
	@benches/fleet/with-servers.sh $(TARGET_DIR)/release/fairness $(ARGS)

bench-text: needs ## Measure text extraction beside poppler, PDFium, MuPDF and tesseract (FLOTILLA_SAMPLES=folder)
	$(call say,Obtaining the peers and the documents)
	@benches/text/peers/install.sh $(TARGET_DIR)/peers/text
	@$(TARGET_DIR)/peers/text/bin/python benches/text/corpus.py $(TARGET_DIR)/corpus/text
	@cargo build --release --package benches --bin text
	$(call say,Measuring text extraction: some fifteen minutes)
	@$(TARGET_DIR)/release/text --corpus $(TARGET_DIR)/corpus/text --peers $(TARGET_DIR)/peers/text \
		--work $(TARGET_DIR)/bench-text --out $(TARGET_DIR)/bench-text.json $(ARGS)

clean-state: down ## Forget all runs and documents of the embedded system
	$(call say,Removing .flotilla)
	@rm -rf .flotilla
