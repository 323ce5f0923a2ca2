# Everything runs in its own environment, made at first use; nothing has to be installed by hand but Python 3.11 and make.
PYTHON ?= python3
PORT ?= 8000
BIN = .venv/bin
READY = .venv/.ready

.PHONY: demo serve test lint check bench clean

demo: $(READY)  ## load a real course run and serve it
	$(BIN)/headway demo --port $(PORT)

test: lint  ## run every test
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest --numprocesses auto --maxprocesses 4

lint: $(READY)  ## format, lint, types, import rules
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check: lint  ## lint, and the unit tests
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -q tests/unit

bench: $(READY)  ## measure against the baseline, and as events and learners become more
	$(BIN)/pip install --quiet -e '.[dev,bench]'
	$(BIN)/python benchmarks/run_all.py

clean:
	rm -rf .venv headway-demo.db*

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(READY)
