# One command for each thing that people do here; `make` alone lists them.
# What a machine lacks is installed by its own package manager.

SHELL  := /bin/sh
TARGET := $(or $(CARGO_TARGET_DIR),target)
PYTHON := $(TARGET)/python
HTTP   := $(TARGET)/http
BROWSER := $(TARGET)/browser
CONTRACT := $(TARGET)/contract
DEPLOY := $(TARGET)/deploy
SUDO   := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.DEFAULT_GOAL := help
.PHONY: help run demo test check contract http browser deploy fuzz observability bench chromium promtool faketime redis cc cxx

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

run: redis cc ## Build all six services and run them on this machine
	@echo '== build (the first time takes a few minutes)'
	@cargo build --release -p gochat-suite
	@exec $(TARGET)/release/gochat

demo: redis cc ## Let a host and two listeners meet on what `make run` started
	@echo '== build'
	@cargo build --release -p gochat-suite
	@exec $(TARGET)/release/gochat demo

test: redis cc faketime $(PYTHON)/ready ## Run every test
	@echo '== build'
	@cargo build --workspace --all-targets
	@echo '== tests'
	@cargo test --workspace
	@echo '== a client by reflection alone'
	@$(PYTHON)/bin/python tests/python/stranger.py --gochat $(TARGET)/debug/gochat

check: cc ## Check format, lints and the laws of the house
	@echo '== format'
	@cargo fmt --all --check
	@echo '== lints'
	@cargo clippy --quiet --workspace --all-targets -- -D warnings
	@echo '== laws'
	@cargo test --quiet --workspace --test boundaries

# proto/release.binpb is the contract as the last release has it (before the first: as it was first promised). It is made
# anew with each release, and at no other time: buf build proto --exclude-source-info -o proto/release.binpb
contract: $(CONTRACT)/ready ## Check the contract: its style, and that whoever knows the last release's can go on
	@echo '== style'
	@$(CONTRACT)/node_modules/.bin/buf lint proto
	@$(CONTRACT)/node_modules/.bin/buf format --diff --exit-code proto
	@echo '== against the last release'
	@$(CONTRACT)/node_modules/.bin/buf breaking proto --against proto/release.binpb

http: redis cc $(HTTP)/ready ## Call every documented method as its document says
	@echo '== build'
	@cargo build -p gochat-suite
	@echo '== generated calls'
	@$(HTTP)/bin/python tests/http/run.py --gochat $(abspath $(TARGET))/debug/gochat

browser: redis cc chromium $(BROWSER)/ready ## Let people meet in real browsers
	@echo '== build'
	@cargo build -p gochat-suite
	@echo '== browsers'
	@GOCHAT=$(TARGET)/debug/gochat PLAYWRIGHT=$(BROWSER) \
	CHROMIUM=$$(command -v chromium || command -v chromium-browser) node --test tests/browser/

deploy: redis cc $(DEPLOY)/ready ## Render, validate and run what is deployed: images, manifests, Redis's users
	@echo '== build'
	@cargo build -p gochat-account -p gochat-room -p gochat-stage -p gochat-notifier -p gochat-media -p gochat-gateway
	@echo '== deployment'
	@$(DEPLOY)/bin/python tests/deploy/run.py --programs $(TARGET)/debug

fuzz: cc cxx ## Fuzz every parser at the border, each for 20 s or GOCHAT_FUZZ_SECONDS
	@echo '== build, then fuzz'
	@CARGO_TARGET_DIR=$(abspath $(TARGET))/fuzz fuzz/run

observability: promtool ## Check what Prometheus is told, and let every alert go off
	@promtool check config deploy/observability/prometheus.yaml
	@promtool check rules deploy/observability/prometheus/rules.yaml
	@promtool test rules deploy/observability/prometheus/tests/*.yaml
	@echo 'Checking what the dashboards ask for, as rules'
	@sed -n 's/^ *"expr": "\(.*\)",$$/\1/p' deploy/observability/grafana/dashboards/*.json \
	| sed 's/\\"/"/g; s/\[$$__rate_interval\]/[1m]/g' \
	| awk 'BEGIN { print "groups:\n- name: dashboards\n  rules:" } \
	  { gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); printf "  - { record: \"panel:%d\", expr: \"%s\" }\n", NR, $$0 }' \
	| promtool check rules /dev/stdin

bench: redis cc ## Measure, and write target/bench.json
	@echo '== load'
	@cargo run --release -p gochat-tests --bin load

# $(call install,what,for apt-get,for dnf,for apk,for brew)
define install
echo '== install $(1)'; \
if command -v apt-get; then $(SUDO) apt-get -qq update; \
  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install $(2); \
elif command -v dnf; then $(SUDO) dnf -q -y install $(3); \
elif command -v apk; then $(SUDO) apk add -q $(4); \
elif command -v brew; then brew install -q $(5); \
else false; fi >/dev/null || { echo 'please install $(1), then try again' >&2; exit 1; }
endef

redis:
	@command -v redis-server >/dev/null || command -v valkey-server >/dev/null || { \
	$(call install,redis-server or valkey-server,redis-server,redis || $(SUDO) dnf -q -y install valkey,redis,redis); }

cc:
	@command -v cc >/dev/null || { \
	$(call install,a C compiler,gcc libc6-dev,gcc,build-base,gcc); }

# Shows a process another time. Where it isn't Debian's, the one test that needs it is skipped.
faketime:
	@! command -v apt-get >/dev/null || test -e /usr/lib/*/faketime/libfaketime.so.1 || { \
	$(call install,faketime,faketime,libfaketime,libfaketime,libfaketime); }

cxx:
	@command -v c++ >/dev/null || { \
	$(call install,a C++ compiler,g++,gcc-c++,g++,gcc); }

promtool:
	@command -v promtool >/dev/null || { \
	$(call install,promtool,prometheus,golang-github-prometheus,prometheus,prometheus); }

chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
	$(call install,chromium,chromium,chromium,chromium,--cask chromium); }

$(BROWSER)/ready $(CONTRACT)/ready: $(TARGET)/%/ready: tests/%/package.json
	@node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null && command -v npm >/dev/null || { \
	$(call install,node (18 or newer) with npm,nodejs npm,nodejs npm,nodejs npm,node); }
	@echo '== packages for tests/$*'
	@mkdir -p $(@D) && cp $< $(@D)/
	@npm install --prefix $(@D) --silent --no-audit --no-fund --no-package-lock
	@touch $@

$(PYTHON)/ready $(HTTP)/ready $(DEPLOY)/ready: $(TARGET)/%/ready: tests/%/requirements.txt
	@python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	$(call install,python3 (3.10 or newer) with venv and pip,python3-venv,python3,python3,python3); }
	@echo '== packages for tests/$*'
	@python3 -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
