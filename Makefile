# One line per target; `make help` lists them. Everything works on a bare Debian machine with Rust.
CARGO ?= cargo
PREFIX ?= /usr
SYSCONFDIR ?= /etc

.PHONY: help build release test test-unit test-e2e lint fmt deps demo bench fuzz-replay ci install clean
.DEFAULT_GOAL := build

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  \1	/p' $(MAKEFILE_LIST) | expand -t 18

build: ## both programs, for development
	$(CARGO) build --workspace --bins --locked

release: ## both programs, as they are installed
	$(CARGO) build --release --locked -p holdfastd -p holdfast

test: deps lint ## everything: lint, unit, end to end, test kernel, interop (root; under 20 minutes on two processors)
	@tests/run all

test-unit: ## what needs neither root nor Debian packages
	@tests/run unit

test-e2e: deps ## end to end, test kernel and interop (root)
	@tests/run e2e

lint: ## format, clippy, shellcheck, purity, documentation, manual pages, licences
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	@tests/lint/shell
	@tests/lint/manual
	@tests/lint/pure
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked -q
	@tests/lint/licences

fmt: ## formats the code
	$(CARGO) fmt

deps: ## installs the Debian packages of tests/packages that are missing (root)
	@tests/deps

demo: deps ## two directors, two web servers, one client: watch it fail over (root; under two minutes)
	@tests/demo/run

bench: deps ## the measurements of docs/testing.md, beside keepalived (root)
	@tests/bench/run

fuzz-replay: ## every committed corpus of the fuzz targets through the parsers
	$(CARGO) test --locked -p replay

ci: test ## what .ci/run runs

clean: ## removes what was built
	$(CARGO) clean
