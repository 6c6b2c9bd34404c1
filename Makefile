# The two commands of the README, and what they are made of. Each sets up .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test check install lock clean

help:
	@echo "make demo     start the sandbox and a Prefect server, run a drill with two gates"
	@echo "make test     run the tests (the browser tests need Chromium)"
	@echo "make check    format, lint, types, import rules"
	@echo "make install  make .venv with the package and everything the two need"
	@echo "make lock     write constraints.txt anew from pyproject.toml"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev,sandbox]'
	touch $(STAMP)

demo: install
	$(BIN)/python deployments/sandbox/demo.py

test: install
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: install
	$(BIN)/uv pip compile --quiet --no-header --no-emit-index-url --no-annotate --universal --python-version 3.11 \
	  --all-extras pyproject.toml --output-file constraints.txt

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .demo
