# Two commands to start with: `make demo` and `make test`. Both work on a fresh clone with python3 (venv, pip), make and gcc.
# Everything is installed from locks with hashes, into .venv; a second run installs nothing.
PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet
WORKERS ?= 2

.PHONY: demo test test-long check bench docs locks clean
.DELETE_ON_ERROR:

demo: $(VENV)/.kwartier-installed
	$(BIN)/kwartier demo $(ARGS)

# At most 15 minutes on two cores. Everything but what is marked `long`; each skip is named with its reason.
test: check $(VENV)/.p1-peer-installed $(VENV)/.spark-installed
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not long" -rs -q

check: $(VENV)/.dev-installed $(VENV)/.kwartier-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests docs $(wildcard bench)
	$(BIN)/lint-imports

# At most 40 minutes: the full counts of kills, visits and fuzzed inputs.
test-long: $(VENV)/.dev-installed $(VENV)/.kwartier-installed
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m long -rs -q

bench: $(VENV)/.dev-installed $(VENV)/.kwartier-installed
	$(BIN)/python -m bench $(ARGS)

# The pages that are made from the program itself; a test compares them.
docs: $(VENV)/.dev-installed $(VENV)/.kwartier-installed
	$(BIN)/python docs/generate.py
	$(BIN)/python -m bench nation --page docs/sizing.md

# New locks, for who changes a dependency. No address of an index lands in them.
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	--no-header --strip-extras --allow-unsafe --resolver=backtracking $(UPGRADE)
locks: $(VENV)/.dev-installed
	$(COMPILE) --output-file requirements/base.txt pyproject.toml
	$(COMPILE) --constraint requirements/base.txt --extra dev --output-file requirements/dev.txt pyproject.toml
	$(COMPILE) --constraint requirements/dev.txt --extra hsm --output-file requirements/hsm.txt pyproject.toml
	$(COMPILE) --constraint requirements/dev.txt --extra postgres --output-file requirements/postgres.txt pyproject.toml
	$(COMPILE) --constraint requirements/dev.txt --extra spark --output-file requirements/spark.txt pyproject.toml
	$(COMPILE) --constraint requirements/dev.txt --extra otel --output-file requirements/otel.txt pyproject.toml
	$(COMPILE) --constraint requirements/dev.txt --extra bench --output-file requirements/bench.txt pyproject.toml
	$(COMPILE) --constraint requirements/dev.txt --output-file requirements/build.txt requirements/build.in
	$(COMPILE) --output-file requirements/p1-peer.txt requirements/p1-peer.in

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base-installed: requirements/base.txt | $(VENV)/bin/python
	$(PIP) --require-hashes -r requirements/base.txt
	@touch $@

$(VENV)/.dev-installed: requirements/dev.txt $(VENV)/.base-installed
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

# What builds the package stays out of the environment that runs it: the demo has the base lock and nothing else.
$(VENV)/.kwartier-installed: pyproject.toml src/kwartier/__init__.py requirements/build.txt $(VENV)/.base-installed
	rm -rf $(VENV)/build-tools
	$(PIP) --require-hashes --target $(VENV)/build-tools -r requirements/build.txt
	PYTHONPATH="$(CURDIR)/$(VENV)/build-tools" $(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# A parser of telegrams that the tests hold ours against. It wants an old dlms-cosem, so it has an environment of its own.
$(VENV)/.p1-peer-installed: requirements/p1-peer.txt | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)/p1-peer
	$(VENV)/p1-peer/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes -r requirements/p1-peer.txt
	@touch $@

# The second engine of settlement. It comes as source, is packed here with the build tools of the lock, and needs Java 17 to run.
$(VENV)/.spark-installed: requirements/spark.txt $(VENV)/.kwartier-installed
	PYTHONPATH="$(CURDIR)/$(VENV)/build-tools" $(PIP) --no-build-isolation --require-hashes -r requirements/spark.txt
	@touch $@

# What `make bench ARGS=settle` is held against: `make .venv/.bench-installed` before it, or `ARGS="settle --alone"`.
$(VENV)/.bench-installed: requirements/bench.txt | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)/bench-peers
	$(VENV)/bench-peers/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes -r requirements/bench.txt
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
