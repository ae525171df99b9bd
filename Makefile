# One line per target; `make help` lists them. Everything works on a bare Debian machine with Rust.
CARGO ?= cargo
RUSTFMT ?= rustfmt
# Every file by name: rustfmt does not see the modules that a macro makes.
SOURCES = $(shell find bin crates tests -name '*.rs' -not -path '*/target/*')
PREFIX ?= /usr
SYSCONFDIR ?= /etc
UNITDIR ?= /lib/systemd/system

.PHONY: help build release test test-unit test-e2e lint fmt deps demo bench fuzz-replay ci install install-files deb clean
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
	@$(RUSTFMT) --check $(SOURCES)
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	@tests/lint/shell
	@tests/lint/manual
	@tests/lint/pure
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked -q
	@tests/lint/licences

fmt: ## formats the code
	@$(RUSTFMT) $(SOURCES)

deps: ## installs the Debian packages of tests/packages that are missing (root)
	@tests/deps

demo: deps ## two directors, two web servers, one client: watch it fail over (root; under two minutes)
	@tests/demo/run

bench: deps ## the measurements of docs/testing.md, beside keepalived (root)
	@tests/bench/run

fuzz-replay: ## every committed corpus of the fuzz targets through the parsers
	$(CARGO) test --locked -p replay

ci: test ## what .ci/run runs

install: release install-files ## builds and installs; DESTDIR, PREFIX, SYSCONFDIR and UNITDIR say where

BUILD ?= target/release
SHARE = $(DESTDIR)$(PREFIX)/share
PLACES = sed -e 's|/usr/sbin/holdfastd|$(PREFIX)/sbin/holdfastd|' -e 's|/usr/bin/holdfast|$(PREFIX)/bin/holdfast|' \
	-e 's|/etc/|$(SYSCONFDIR)/|g'

install-files: ## installs what is built; a configuration that is there stays
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(UNITDIR)
	install -m 755 $(BUILD)/holdfastd $(DESTDIR)$(PREFIX)/sbin/holdfastd
	install -m 755 $(BUILD)/holdfast $(DESTDIR)$(PREFIX)/bin/holdfast
	install -d $(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/man/man8
	install -m 644 docs/man/holdfast.1 $(SHARE)/man/man1/
	install -m 644 docs/man/holdfast.toml.5 $(SHARE)/man/man5/
	install -m 644 docs/man/holdfastd.8 $(SHARE)/man/man8/
	install -d $(SHARE)/doc/holdfast/samples
	install -m 644 $(wildcard README.md CHANGELOG.md LICENSE*) $(SHARE)/doc/holdfast/
	install -m 644 etc/holdfast/samples/*.toml $(SHARE)/doc/holdfast/samples/
	install -d $(SHARE)/holdfast
	install -m 644 etc/schema/holdfast.schema.json $(SHARE)/holdfast/
	install -d $(SHARE)/bash-completion/completions $(SHARE)/zsh/vendor-completions $(SHARE)/fish/vendor_completions.d
	install -m 644 etc/completions/holdfast.bash $(SHARE)/bash-completion/completions/holdfast
	install -m 644 etc/completions/holdfastd.bash $(SHARE)/bash-completion/completions/holdfastd
	install -m 644 etc/completions/_holdfast etc/completions/_holdfastd $(SHARE)/zsh/vendor-completions/
	install -m 644 etc/completions/holdfast.fish etc/completions/holdfastd.fish $(SHARE)/fish/vendor_completions.d/
	install -d $(DESTDIR)$(SYSCONFDIR)/init.d $(DESTDIR)$(SYSCONFDIR)/default $(DESTDIR)$(SYSCONFDIR)/holdfast/conf.d
	$(PLACES) etc/systemd/holdfast.service > $(DESTDIR)$(UNITDIR)/holdfast.service
	chmod 644 $(DESTDIR)$(UNITDIR)/holdfast.service
	$(PLACES) etc/systemd/holdfast-serve.service > $(DESTDIR)$(UNITDIR)/holdfast-serve.service
	chmod 644 $(DESTDIR)$(UNITDIR)/holdfast-serve.service
	$(PLACES) etc/systemd/holdfast-realserver.service > $(DESTDIR)$(UNITDIR)/holdfast-realserver.service
	chmod 644 $(DESTDIR)$(UNITDIR)/holdfast-realserver.service
	install -d $(SHARE)/doc/holdfast/systemd
	install -d $(SHARE)/doc/holdfast/grafana $(SHARE)/doc/holdfast/prometheus
	install -m 644 etc/grafana/holdfast.json $(SHARE)/doc/holdfast/grafana/
	install -m 644 etc/prometheus/holdfast.rules.yml $(SHARE)/doc/holdfast/prometheus/
	install -m 644 etc/systemd/drop-ins/*.conf $(SHARE)/doc/holdfast/systemd/
	$(PLACES) etc/init.d/holdfast > $(DESTDIR)$(SYSCONFDIR)/init.d/holdfast
	chmod 755 $(DESTDIR)$(SYSCONFDIR)/init.d/holdfast
	$(PLACES) etc/init.d/holdfast-realserver > $(DESTDIR)$(SYSCONFDIR)/init.d/holdfast-realserver
	chmod 755 $(DESTDIR)$(SYSCONFDIR)/init.d/holdfast-realserver
	[ -e $(DESTDIR)$(SYSCONFDIR)/default/holdfast-realserver ] || \
		install -m 644 etc/default/holdfast-realserver $(DESTDIR)$(SYSCONFDIR)/default/holdfast-realserver
	install -d $(DESTDIR)$(SYSCONFDIR)/logrotate.d
	install -m 644 etc/logrotate/holdfast $(DESTDIR)$(SYSCONFDIR)/logrotate.d/holdfast
	[ -e $(DESTDIR)$(SYSCONFDIR)/default/holdfast ] || \
		install -m 644 etc/default/holdfast $(DESTDIR)$(SYSCONFDIR)/default/holdfast
	[ -e $(DESTDIR)$(SYSCONFDIR)/holdfast/holdfast.toml ] || \
		install -m 640 etc/holdfast/holdfast.toml $(DESTDIR)$(SYSCONFDIR)/holdfast/holdfast.toml

deb: release ## a Debian package, in target/deb
	@etc/debian/build

clean: ## removes what was built
	$(CARGO) clean
