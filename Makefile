# The chores of the project, one word each. Needed: Python 3.11 or later, git, make.
# More words for pytest: make test ARGS="-k recording -x"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python scripts/install.py
# The lock fits every Python from 3.11 on and every platform; no name of a registry gets into it.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --custom-compile-command 'make lock'
GROUPS := build test check docs release
LOCKED := $(GROUPS:%=requirements/%.txt) requirements/program.txt
ARGS ?=

# The first Python here that is new enough; name another one with: make setup PYTHON=/path/to/python
PYTHON ?= $(shell for each in python3.11 python3 python3.12 python3.13 python; do \
	$$each -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)

.PHONY: help setup demo test check torture soak bench docs lock release clean

help:  ## list these words
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.test  ## make .venv with the program and what its tests need

demo: $(VENV)/.program  ## watch a local stand-in for Zoom change, and see what fires; needs no account
	@$(BIN)/changewire demo $(ARGS)

# Four at a time, on two cores as well: half of the time a test waits for a process, a socket or a disk.
test: $(VENV)/.test  ## the whole test suite but the long proofs
	$(BIN)/python -m pytest -m "not torture" -n 4 $(ARGS)

check: $(VENV)/.check  ## linter, formatter, types, and whether the package builds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m build --no-isolation --outdir build/dist .

torture: $(VENV)/.test  ## the long proofs: kills at random moments, thousands of noisy polls, random histories
	$(BIN)/python -m pytest -m torture -n 2 $(ARGS)

# MINUTES=5 is a shorter one. What was stored stays in the folder that a failure names.
soak: $(VENV)/.test  ## half an hour of the real program under kills, faults, edits and a clock that is set
	$(BIN)/python -m tests.support.soak --minutes $(or $(MINUTES),30)

bench: $(VENV)/.test  ## measure polls a second, lag, CPU and memory
	$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/.docs  ## build the documentation as a site with a search, in build/site
	$(BIN)/python -m tests.docs.generated
	$(BIN)/zensical build --strict
	@echo 'read it at http://127.0.0.1:8000: $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site'

lock: $(VENV)/.release  ## renew the lock files in requirements/ within the ranges of pyproject.toml
	@mkdir -p build
	$(COMPILE) --upgrade --output-file build/all.txt pyproject.toml $(GROUPS:%=--group %)
	$(COMPILE) --upgrade --constraint build/all.txt --output-file requirements/program.txt pyproject.toml
	set -e; for group in $(GROUPS); do \
		$(COMPILE) --upgrade --constraint build/all.txt --output-file requirements/$$group.txt --group $$group; done

release: $(VENV)/.release $(VENV)/.check  ## wheel, source archive, list of components (SBOM) and checksums, in build/dist
	rm -rf build/dist
	$(BIN)/python -m build --no-isolation --outdir build/dist .
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
		--output-file build/dist/changewire.cdx.json requirements/program.txt
	$(BIN)/python scripts/checksums.py build/dist

clean:  ## remove .venv and everything that was built; state/ stays
	rm -rf $(VENV) build dist .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src triggers actions tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is renewed when pyproject.toml or its lock is: then, and only then, is anything installed again.

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: install it, or name it with PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.program: pyproject.toml requirements/program.txt requirements/build.txt | $(BIN)/python
	$(INSTALL) program
	@touch $@

$(VENV)/.test: pyproject.toml $(LOCKED) | $(BIN)/python
	$(INSTALL) program test
	@touch $(VENV)/.program $@

$(VENV)/.check $(VENV)/.docs $(VENV)/.release: $(VENV)/.%: pyproject.toml requirements/%.txt $(VENV)/.test
	$(INSTALL) $*
	@touch $@
