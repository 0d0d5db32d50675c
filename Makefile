# `make demo` and `make test` do everything on a machine with Python 3.11, make and a package index.
PYTHON ?= $(firstword $(shell command -v python3.11 python3 python))
TOOLS := .tools
VENV := .venv
BIN := $(VENV)/bin
POETRY := $(TOOLS)/bin/poetry
POETRY_VERSION := 2.5.1
ROWS ?= 10000000
export POETRY_VIRTUALENVS_IN_PROJECT := 1
export POETRY_VIRTUALENVS_CREATE := 1

.PHONY: help setup jdk demo test lint format docs bench build lock clean
.DEFAULT_GOAL := help

help: ## Show the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: $(BIN)/.installed ## Install everything into .venv

$(POETRY):
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	  || { echo "cloud-etl needs Python 3.11 to 3.13; run: make PYTHON=/path/to/python3.11"; exit 2; }
	"$(PYTHON)" -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check \
	  poetry==$(POETRY_VERSION) poetry-plugin-pypi-mirror==0.6.5

# The mirror plugin makes Poetry use the index's Simple API, which every index serves; the address is pip's own setting.
$(BIN)/.installed: pyproject.toml poetry.lock | $(POETRY)
	@echo "Installing into $(VENV), for a few minutes; what the installer says goes to $(TOOLS)/install.log"
	@mirror=$$(PYTHON="$(TOOLS)/bin/python" sh scripts/index_url.sh) && \
	{ POETRY_PYPI_MIRROR_URL="$$mirror" $(POETRY) sync --no-interaction --all-extras > $(TOOLS)/install.log 2>&1 \
	  || { cat $(TOOLS)/install.log; exit 1; }; }
	@# Without bytecode each start of the command would compile pandas and pyspark anew where Python may not write it.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib src >/dev/null || true
	@touch $@

demo: setup ## Run the retail and the flights example from raw files to warehouse tables
	@$(BIN)/cloud-etl demo retail --folder demo/retail
	@$(BIN)/cloud-etl demo flights --folder demo/flights

jdk: ## Install the Java that Apache Spark needs, where there is none
	@sh scripts/jdk.sh

test: setup jdk ## Run all tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: setup ## Check style, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## Write the generated reference pages
	$(BIN)/python scripts/reference.py

bench: $(BIN)/.bench-installed ## Run the benchmark beside its hand-written rival (ROWS=10000000)
	$(BIN)/python -m benchmarks retail --rows $(ROWS)

$(BIN)/.bench-installed: $(BIN)/.installed
	@mirror=$$(PYTHON="$(TOOLS)/bin/python" sh scripts/index_url.sh) && \
	POETRY_PYPI_MIRROR_URL="$$mirror" $(POETRY) install --no-interaction --all-extras --with bench
	@touch $@

build: setup ## Build the wheel
	$(POETRY) build --no-interaction

lock: | $(POETRY) ## Resolve the dependencies anew
	@mirror=$$(PYTHON="$(TOOLS)/bin/python" sh scripts/index_url.sh) && \
	POETRY_PYPI_MIRROR_URL="$$mirror" $(POETRY) lock --no-interaction

clean: ## Remove what make made
	rm -rf $(VENV) $(TOOLS) demo dist benchmarks/data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
