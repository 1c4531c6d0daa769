# clx: `make run` and `make test` do all set-up on a machine that has Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= dev
# More than there are cores, as half of the tests wait. What is compiled of a test file is kept, so
# that not each worker has to do it.
WORKERS ?= 4
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(WORKERS)
STAMP := $(VENV)/.installed-$(EXTRAS)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install run warm test quick check format bench clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

install: $(STAMP) ## make the environment in .venv, with pinned dependencies

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "clx needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q api clx core emulator link store themes tui
	$(BIN)/python -m clx.warm
	touch $@

warm: install # compile what changed since the set-up, once for all that will run beside each other
	@$(BIN)/python -m clx.warm

run: install ## open clx on the simulated market, offline, nothing to configure
	$(BIN)/clx

test: warm ## run the whole test suite
	$(PYTEST)

quick: warm ## run the tests that are not marked slow
	$(PYTEST) -m 'not slow'

check: install ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## format the source
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: ## measure against the peers, in one run; BENCH='--whole kills' for all of one
	$(MAKE) install EXTRAS=dev,bench
	$(BIN)/python -m bench $(BENCH)

clean: ## remove the environment and every cache
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
