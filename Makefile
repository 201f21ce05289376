# Everything a person can do here. Needs make and Python 3.11 or later; the rest it fetches into .venv.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# Images for containers often say otherwise. Then each of the many processes that tests start would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo run test chaos nightly lint types bench clean lock

help: ## show this list
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(READY) ## a short tour: a platform, a workflow, approvals, tables, a replay
	$(BIN)/python -m examples.demo

run: $(READY) ## the platform, with its own PostgreSQL, until Ctrl-C
	$(BIN)/gesta up

test: $(READY) ## all tests, on a real PostgreSQL
	$(BIN)/python -m pytest -n 3 --dist worksteal

chaos: $(READY) ## everything goes wrong at once, for a minute: what was done, and what was seen
	$(BIN)/python -m tests.faults.chaos --seconds 60

nightly: $(READY) ## all tests, ten thousand random definitions, a thousand contested ballots and a thousand executions acted on at once among them, and chaos for half an hour
	GESTA_TEST_ALL=1 GESTA_TEST_NETS=10000 GESTA_TEST_BALLOTS=1000 GESTA_TEST_MANY=1000 $(BIN)/python -m pytest -n 3 --dist worksteal --timeout 1800
	$(BIN)/python -m tests.faults.chaos --seconds 1800 --poison 60

lint: $(READY) ## style, format, and which room may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(READY) ## type checks, strict
	$(BIN)/mypy

bench: $(READY) ## how fast it appends, next to the library it builds on
	$(BIN)/python -m bench

LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q

lock: $(READY) ## resolve the dependencies anew: requirements.lock of what runs, requirements-dev.lock of what tests need besides
	cat requirements.lock requirements-dev.lock > requirements.all
	$(LOCK) --extra ai --extra arrow --extra otel --group dev -o requirements.all
	$(LOCK) --extra ai --extra arrow --extra otel -c requirements.all -o requirements.lock
	sed -i 's/^ *--hash/--hash/' requirements.all requirements.lock
	grep -vxF -f requirements.lock requirements.all > requirements-dev.lock && rm requirements.all

clean: ## remove the virtual environment and the caches; databases stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests examples bench -name __pycache__ -type d -prune -exec rm -rf {} +

# Most of what is installed is never imported: what is, is compiled then.
$(READY): requirements.lock requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Gesta needs Python 3.11 or later, which $(PYTHON) is not. Name another: make PYTHON=python3.12 …" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
