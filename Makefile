# Everything a newcomer types. Each target makes the environment it needs; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What pip prints is of interest only when it fails.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.DEFAULT_GOAL := help
.PHONY: help demo dev test faults lint types format bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tidegate needs Python 3.11 or later: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) (once) ..."
	@$(PIP) -e '.[local,example]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing the development tools into $(VENV) (once) ..."
	@$(PIP) -e '.[local,example,dev]'
	@touch $@ $(VENV)/.demo

# A second engine for DynamoDB (dynoxide), for the contract tests. It comes as an npm package; without npm the suite runs on
# memory and moto, and says so.
$(VENV)/.engines: | $(BIN)/python
	@if command -v npm >/dev/null; then npm install --silent --no-fund --no-audit --prefix $(VENV)/dynoxide @dynoxide/linux-x64@1.2.1 >/dev/null; \
	 else echo "No npm here: the contract tests leave out the dynoxide engine."; fi
	@touch $@

demo: $(VENV)/.demo ## Run the example on real data, locally, and see what happened
	@$(BIN)/python -m definitions.demo

dev: $(VENV)/.demo ## The whole deployment on this machine, until Ctrl-C
	@$(BIN)/tidegate dev

test: $(VENV)/.dev $(VENV)/.engines ## All tests
	$(BIN)/python -m pytest -n 2 --dist worksteal --ignore=tests/infra

faults: $(VENV)/.dev ## Every fault at every AWS call of whole runs: an hour or two
	TIDEGATE_FAULTS=all $(BIN)/python -m pytest -n 2 --dist worksteal tests/simulation/test_whole_run_faults.py

lint: $(VENV)/.dev ## Style and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev ## Static types, strict
	$(BIN)/mypy

format: $(VENV)/.dev ## Put the code in its usual form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev $(VENV)/.engines ## Measure; the tables in docs/performance.md come from here
	$(BIN)/python -m benchmarks

clean: ## Remove everything that was made
	rm -rf $(VENV) .venv-infra build cdk.out .tidegate .pytest_cache .mypy_cache .ruff_cache .hypothesis

-include infra/synth.mk
