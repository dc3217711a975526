# The developer's interface; `make help` lists it.

UV_VERSION := 0.13.9
PYTHON ?= python3.11
TOOLS := .tools
UV := $(TOOLS)/bin/uv
VENV := .venv
# Tests of one file share fixtures, up to a control plane; each worker starts its own, about 1 GiB of memory.
WORKERS ?= 2
BOTH := -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0
RUN := $(VENV)/bin/

export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(VENV)
# The tests start some thousand processes; without bytecode each compiles all that it imports, which is half of its start (0.6 of 1.2 s).
export UV_COMPILE_BYTECODE := 1
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(UV):
	@$(PYTHON) --version >/dev/null 2>&1 || { echo "$(PYTHON) is missing; name another by 'make PYTHON=python3.12 …'"; exit 2; }
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.synced: pyproject.toml uv.lock | $(UV)
	@$(UV) sync --locked --quiet --python $(PYTHON)
	@touch $@

.PHONY: install
install: $(VENV)/.synced ## Make .venv with everything that is locked

.PHONY: demo
demo: install ## Tell the story: the real server, real reviews, no cluster
	@$(RUN)catflap demo

.PHONY: test
test: install ## Everything: style, types, layers, tests, the real API server included
	@$(MAKE) --no-print-directory lint
	@$(RUN)pytest $(BOTH) $(PYTEST)

.PHONY: browser
browser: ## Chromium, in which tests look at the report; without it they are skipped
	@.ci/browser

.PHONY: quick
quick: install ## The tests that need no API server
	@$(RUN)pytest --ignore=tests/cluster --ignore=tests/controlplane --ignore=tests/chart --ignore=tests/browser $(BOTH) $(PYTEST)

.PHONY: lint
lint: install ## Style, types and layers
	@$(RUN)ruff check
	@$(RUN)ruff format --check
	@$(RUN)mypy
	@said=$$($(RUN)lint-imports) || { echo "$$said"; exit 1; }

.PHONY: cluster
cluster: install ## A real control plane on this machine until Ctrl-C; prints the KUBECONFIG line
	@$(RUN)python -m tests.controlplane $(CLUSTER)

.PHONY: wheel
wheel: install ## Build the wheel into dist/ and test it with the checkout out of the way
	@.ci/wheel

.PHONY: docs
docs: install ## Write what is generated from the code anew
	@$(RUN)python -m docs.generate
	@$(RUN)python charts/generate.py

.PHONY: clean
clean: ## Remove what the other targets made here; the cached control plane stays
	rm -rf $(TOOLS) $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
