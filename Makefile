# Everything runs in its own environment, made at first use; nothing has to be installed by hand but Python 3.11 and make.
PYTHON ?= python3
PORT ?= 8000
BIN = .venv/bin
READY = .venv/.ready

# Tests wait for processes, networks and browsers about a third of their time.
WORKERS ?= $(shell echo $$(( ($$(nproc 2> /dev/null || echo 2) * 3 + 1) / 2 )))

NPM = cd sdk && PATH="$(CURDIR)/$(BIN):$$PATH" npm --silent
SDK_READY = sdk/node_modules/.ready

.PHONY: demo serve test lint check sdk sdk-test bench clean

demo: $(READY)  ## load a real course run and serve it
	$(BIN)/headway demo --port $(PORT)

test: lint sdk-test  ## run every test
	-$(BIN)/python -W ignore -m tests.browser.chromium
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest --numprocesses $(WORKERS) --maxprocesses 6

lint: $(READY)  ## format, lint, types, import rules
	$(BIN)/ruff format --check src tests benchmarks sdk
	$(BIN)/ruff check src tests benchmarks sdk
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check: lint  ## lint, and the unit tests
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -q tests/unit

sdk: $(SDK_READY)  ## generate the tracker's types from the OpenAPI document, and build its files
	$(BIN)/python sdk/wire.py
	$(NPM) run build

sdk-test: $(SDK_READY)  ## types, tests and sizes of the tracker; its built files; its package
	$(NPM) run types
	$(NPM) test
	$(NPM) run check

bench: $(READY)  ## measure against the baseline, and as events and learners become more
	$(BIN)/pip install --quiet -e '.[dev,bench]'
	$(BIN)/python benchmarks/run_all.py

clean:
	rm -rf .venv sdk/node_modules sdk/dist headway-demo.db*

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(READY)

$(SDK_READY): sdk/package-lock.json $(READY)
	$(NPM) ci --no-audit --no-fund --ignore-scripts
	touch $(SDK_READY)
