# Chartseal. `make` alone lists what there is.
# A fresh machine needs Rust 1.95, a C compiler, make and Node 20 or newer; tests also need Python 3.11 with venv, and `age`.

CARGO  ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
NODE   := contracts/node_modules/.package-lock.json
TYPES  := tests/vectors-ts/node_modules/.package-lock.json
PYTHON_CLIENTS := tests/clients/python/.venv/installed
FUZZER         := tests/contract/.venv/installed
NODE_CLIENTS   := tests/clients/node/node_modules/.package-lock.json
PORTAL := services/portal/node_modules/.package-lock.json
RAGE   := $(abspath $(TARGET))/peers/bin/rage

# Kubo is used as a block store. It is built from its Go module by the Go toolchain that is installed.
KUBO_VERSION ?= v0.43.0
KUBO         := .kubo/ipfs

RUNS         ?= 2000000

.PHONY: help run demo test portal clients bench fuzz soak lint lint-contracts coverage mutants contracts openapi kubo build clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 12

run: build portal ## bring the whole system up at 127.0.0.1:8080, portal included (Ctrl-C stops it)
	$(TARGET)/debug/chartseal up --portal services/portal/dist/samples

demo: build ## tell and check the whole story on a system of its own
	$(TARGET)/debug/chartseal demo

build: $(NODE) ## build every crate
	$(CARGO) build --workspace --locked

portal: $(PORTAL) ## build the web app: dist/production with its hashes, and dist/samples with the development accounts' wallet
	cd services/portal && npm run --silent build && npm run --silent build:samples
	cd services/portal/dist/production && find . -type f | LC_ALL=C sort | xargs sha256sum > ../production.sha256

test: build $(TYPES) clients portal ## run every test: Rust, Solidity, TypeScript, end to end
	$(CARGO) test --workspace --locked
	contracts/test.sh
	cd services/portal && npm test && PROGRAMS=$(abspath $(TARGET))/debug npm run walk
	cd tests/vectors-ts && CHARTSEAL_AGE_FILE=$(abspath $(TARGET))/debug/examples/age_file npm test

clients: $(PYTHON_CLIENTS) $(NODE_CLIENTS) $(FUZZER) ## install the FHIR clients that tests/clients drives, and schemathesis

bench: $(RAGE) $(NODE) $(KUBO) $(PORTAL) ## measure beside the floor and the peers (rage, age, raw inserts, ipfs add), after seeing that each opens the other's files
	$(CARGO) build --release --workspace --bins --locked
	cd bench && RAGE=$(RAGE) CARGO_TARGET_DIR=$(abspath $(TARGET)) $(CARGO) test --release --locked
	cd bench && CARGO_TARGET_DIR=$(abspath $(TARGET)) $(CARGO) run --release --locked -- envelope --rage $(RAGE)
	cd bench && CARGO_TARGET_DIR=$(abspath $(TARGET)) $(CARGO) run --release --locked -- pipeline
	cd bench && CARGO_TARGET_DIR=$(abspath $(TARGET)) $(CARGO) run --release --locked -- lookup
	cd services/portal && npm run --silent build && npm run --silent interactive

fuzz: ## throw RUNS (2,000,000) damaged inputs at each parser of strangers' bytes; needs cargo-fuzz
	CARGO_TARGET_DIR=$(abspath $(TARGET))/fuzz fuzz/run.sh $(RUNS)

soak: build $(RAGE) ## hours of what test does in minutes: 5,000 fresh cases of every property, 20,000 drawn requests of FHIR and of the native API, 200 runs and 300 kills of the weather, a document of 2 GiB, peers at 300 MiB, ten times fuzz
	PROPTEST_CASES=5000 PROPTEST_RNG_SEED=$$(date +%s) $(CARGO) test --workspace --locked --test properties
	CONTRACT_EXAMPLES=150 $(CARGO) test --workspace --locked --test contract -- --nocapture
	FHIR_FUZZ_REQUESTS=20000 $(CARGO) test --workspace --locked --test fhir_fuzz -- --nocapture
	WEATHER_RUNS=200 WEATHER_KILLS=300 WEATHER_OUTAGE=60 WEATHER_SEED=$$(date +%s) $(CARGO) test --workspace --locked --test weather -- --nocapture
	LARGE_MIB=2048 $(CARGO) test --workspace --locked --test large -- --nocapture
	cd bench && RAGE=$(RAGE) CARGO_TARGET_DIR=$(abspath $(TARGET)) $(CARGO) test --release --locked
	$(MAKE) fuzz RUNS=$(RUNS)0

lint: lint-contracts ## rustfmt, clippy, forge fmt, generated files fresh, slither
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

lint-contracts: $(NODE) ## forge fmt, committed bytecode fresh, slither (from PyPI, in contracts/.venv)
	contracts/lint.sh
	contracts/slither.sh

coverage: $(NODE) ## line and branch coverage of the contracts; fails below 98 %
	contracts/coverage.sh

mutants: $(NODE) ## break the contracts in 137 places, one at a time: each must fail a test (20 minutes)
	contracts/bin/mutants.js

contracts: $(NODE) ## build the contracts and rewrite contracts/abi
	contracts/build.sh

openapi: ## rewrite docs/openapi.json from the gateway's routes, and the portal's types from it
	$(CARGO) run --quiet --locked --example openapi > docs/openapi.json.new
	mv docs/openapi.json.new docs/openapi.json
	cd services/portal && npm run --silent api

kubo: $(KUBO) ## build Kubo for the tests that need a real node
# Not `go install module@version`: that asks the proxy for the list of versions, which not every proxy gives.
$(KUBO):
	mkdir -p .kubo
	go mod download github.com/ipfs/kubo@$(KUBO_VERSION)
	cd "$$(go mod download -json github.com/ipfs/kubo@$(KUBO_VERSION) | sed -n 's/.*"Dir": "\(.*\)",/\1/p')" && go build -o $(CURDIR)/$(KUBO) ./cmd/ipfs

# Not `npm ci`: Foundry's binaries are one optional package per platform, and ci refuses a lock that lacks those of others.
$(NODE): contracts/package-lock.json
	cd contracts && npm install --no-save --no-audit --no-fund --ignore-scripts
	@touch $@

$(RAGE):
	$(CARGO) install rage --version 0.12.1 --locked --root $(abspath $(TARGET))/peers

$(TYPES): tests/vectors-ts/package-lock.json
	cd tests/vectors-ts && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@

$(PORTAL): services/portal/package-lock.json
	cd services/portal && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@

$(NODE_CLIENTS): tests/clients/node/package-lock.json
	cd tests/clients/node && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@

$(PYTHON_CLIENTS): tests/clients/python/requirements.txt
	python3 -m venv tests/clients/python/.venv
	tests/clients/python/.venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(FUZZER): tests/contract/requirements.txt
	python3 -m venv tests/contract/.venv
	tests/contract/.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

clean: ## remove what was built and the development data
	$(CARGO) clean
	rm -rf data contracts/node_modules contracts/out contracts/cache contracts/.venv tests/vectors-ts/node_modules tests/vectors-ts/out tests/clients/node/node_modules tests/clients/python/.venv services/portal/node_modules services/portal/dist tests/contract/.venv
