# Everything that one does with Parley from a checkout. Needs Python ≥ 3.11, git and make; uv is fetched if it is missing.

SHELL := /bin/bash
PYTHON ?= python3
# The path of a uv that is new enough; fetched into .tools by its lock file's hash if there is none.
UV = $(shell $(PYTHON) tools/bootstrap.py)
SERVICES = auth gateway media messages presence search

.DEFAULT_GOAL := help
.PHONY: help run service test test-units test-integration lint fmt bench docs clean sync

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-18s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sync:
	@$(UV) sync --frozen --all-packages

run: sync ## Start the whole suite on this machine: PostgreSQL, NATS, S3 and six services
	@exec .venv/bin/parley-local

service: sync ## Start one service with what it needs: make service NAME=messages
	@test -n "$(NAME)" || { echo "Which one? make service NAME=messages   ($(SERVICES))"; exit 64; }
	@exec .venv/bin/parley-local --only $(NAME)

test: sync test-units test-integration ## Run all tests on real servers

test-units: sync ## Each service's own tests, alone, in an environment of its own
	@$(PYTHON) tools/test_alone.py "$(UV)"

test-integration: sync ## The documentation, and the whole system through the gateway only
	@.venv/bin/pytest -q -n 2 --dist loadfile tests/unit tests/integration tests/faults

lint: sync ## ruff, mypy --strict, import-linter, lock file
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(UV) lock --check --quiet

fmt: sync ## Format and mend what can be mended
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format .

bench: sync ## Measure the hot path against a textbook variant (docs/performance.md)
	@$(UV) sync --frozen --all-packages --group bench --quiet
	@.venv/bin/python tests/benchmarks/run.py $(BENCH)

docs: sync ## Write the generated tables of the documentation
	@.venv/bin/python tools/generate_docs.py

clean: ## Remove environments, caches and this checkout's state (.parley)
	rm -rf .venv .tools .parley .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
