# `make help` is the map. Only Python 3.11+, make and a package index are needed:
# uv is brought into .tools and the project's environment into .venv.
PYTHON ?= python3
UV := .tools/bin/uv
RUN := $(UV) run --frozen --quiet

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long test-bench lab test-lab lint format bench reliability check clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@$(PYTHON) -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9'

.venv/.ready: $(UV) pyproject.toml uv.lock
	@$(UV) sync --frozen --quiet --compile-bytecode --python $(PYTHON)
	@.venv/bin/python -m compileall -q src
	@touch $@

setup: .venv/.ready ## Install everything into .venv

demo: setup ## Watch a simulated cluster get GPUs: check, plan, enable, verify
	@$(RUN) oc-gpu demo
	@echo 'oc-gpu is in .venv/bin; to have it by name: source .venv/bin/activate'

test: setup ## Run the test suite
	@$(RUN) pytest -q -n 2

test-long: setup ## Run the tests that walk many roads: kills, chaos, faults, every release
	@$(RUN) pytest -q -n 2 -m long

# PyTorch is 5 GB, so that it has an environment of its own and `make setup` stays small.
.venv-bench/.ready: $(UV) pyproject.toml uv.lock
	@UV_PROJECT_ENVIRONMENT=.venv-bench $(UV) sync --frozen --quiet --extra bench --python $(PYTHON)
	@touch $@

test-bench: .venv-bench/.ready ## Run the workloads of `bench` with the real PyTorch, in tiny sizes
	@.venv-bench/bin/python -m pytest -q --timeout=600 tests/bench_torch

lab: setup ## Build the lab's real programs from Go modules (about half an hour, once)
	@$(RUN) python -m lab build

test-lab: lab ## Run the tests on the real control plane and operators
	@$(RUN) pytest -q -m lab -n 3 --dist worksteal

lint: setup ## Style, types and the import contract
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) lint-imports

format: setup ## Format the code
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

check: lint test test-long test-lab test-bench ## What CI does

bench: setup ## Print the speed figures as ratios (LARGE=1: also on 5,000 nodes)
	@$(RUN) python -m benchmarks $(if $(LARGE),--large)

reliability: setup ## Try faults and make docs/reliability.md
	@$(RUN) python -m benchmarks.reliability

clean: ## Remove what make made
	@rm -rf .venv .venv-bench .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
