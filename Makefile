# Everything sets itself up: `make demo` and `make test` work on a bare Debian 12.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
HOME_OF_SERVICE := /opt/pipistrelle
SOURCES := $(wildcard appliance/dsp/csrc/*)

.PHONY: help setup demo test test-all test-service install uninstall check baseline fuzz fuzz-routines format benchmark \
	picture clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## a virtual environment with everything in it

# Debian's packages are looked at only when the environment is made: later runs start at once.
$(READY): pyproject.toml $(SOURCES)
	@PYTHON=$(PYTHON) sh .ci/packages
	@test -x $(BIN)/python || { echo "making a virtual environment in $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing Python packages and compiling the signal path (a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --editable '.[dev]'
	@touch $@

demo: $(READY)  ## a scripted visit to a virtual room; FAST=1 runs it as fast as it can be heard
	@$(BIN)/pipistrelle demo $(if $(FAST),--fast)

test: $(READY)  ## all tests but the slow ones
	$(BIN)/python -m pytest -n auto -m "not slow"

test-all: $(READY)  ## the slow ones too
	$(BIN)/python -m pytest -n auto

test-service: $(READY)  ## the service under systemd in a container: killed, hung, full disk and so on; as root
	@sh .ci/packages systemd
	$(BIN)/python -m pytest tests/systemd -v --capture=no

# pip leaves a wheel of the same version alone, so that one is put in by force.
install:  ## the service on this machine, as root; FROM=FILE.whl takes a wheel instead of this checkout
	@test "$$(id -u)" = 0 || { echo "please run as root: sudo make install" >&2; exit 1; }
	@$(if $(FROM),,PYTHON=$(PYTHON) sh .ci/packages install)
	@echo "installing Python packages in $(HOME_OF_SERVICE) (a minute or two)"
	@test -x $(HOME_OF_SERVICE)/bin/python || $(PYTHON) -m venv $(HOME_OF_SERVICE)
	@$(HOME_OF_SERVICE)/bin/pip install --quiet --disable-pip-version-check $(or $(FROM),.)
	@$(if $(FROM),$(HOME_OF_SERVICE)/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(FROM))
	@ln -sf $(HOME_OF_SERVICE)/bin/pipistrelle /usr/local/bin/pipistrelle
	@sh systemd/install
	@echo "installed. Next: pipistrelle doctor; systemctl enable --now pipistrelle"

uninstall:  ## take it away again, as root; configuration and state stay
	sh systemd/install --remove
	rm -rf $(HOME_OF_SERVICE) /usr/local/bin/pipistrelle

check: $(READY)  ## format, lint, types, import contracts, instruction counts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@sh .ci/packages check || true
	$(BIN)/python tests/benchmarks guard

baseline: $(READY)  ## accept the instruction counts of now; `check` compares with them
	@sh .ci/packages check
	$(BIN)/python tests/benchmarks accept

fuzz: $(READY)  ## the C core under libFuzzer and sanitizers; SECONDS=60 for a shorter time in all
	@sh .ci/packages fuzz
	$(BIN)/python tests/fuzz/libfuzzer.py --seconds $(or $(SECONDS),600)

fuzz-routines: $(READY)  ## anybody's routine files; FILES=10000 for fewer than a million, SEED=any for others
	nice -n 10 $(BIN)/python tests/fuzz/test_routines.py $(or $(FILES),1000000) $(or $(SEED),0)

format: $(READY)  ## put the code into the house's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmark: $(READY)  ## what the signal path costs, beside what one would use instead; QUICK=1 for a minute's look
	@sh .ci/packages benchmark || true
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --editable '.[dev,benchmark]'
	$(BIN)/python tests/benchmarks $(if $(QUICK),--quick)

picture: $(READY)  ## the demonstration's picture for the README
	$(BIN)/pipistrelle demo --picture appliance/cli/demo.svg

clean:  ## remove what was built
	rm -rf $(VENV) build dist *.egg-info appliance/dsp/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
