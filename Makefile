# The two commands of the README, and what they are made of. Each sets up .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV := $(BIN)/uv
LOWEST := .venv-lowest
NEWEST := .venv-newest
EXAMPLES := .venv-examples
# AWS CLI and the AWS SDK for JavaScript, which tests run against the sandbox.
FOREIGN := .venv-foreign
# The folder of the app stands for the zip of the function: synthesis copies it and does not look into it.
CDK_CONTEXT := {"orchestrator": "111111111111", "targets": "222222222222", "externalId": "word", "zip": "examples/cdk"}
COMPILE := pip compile --quiet --no-header --no-emit-index-url --no-annotate
# What a user passes on, e.g. make test PYTEST_ARGS="--last-failed"
PYTEST_ARGS ?=
PYTEST := -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# Without bytecode, each of the hundreds of processes of the tests compiles Prefect anew: twice the CPU.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-fast test-prefect-lowest test-prefect-newest check check-examples hooks docs lambda release
.PHONY: install lock foreign-clients upstream clean

help:
	@echo "make demo     start the sandbox and a Prefect server, run a drill with two gates"
	@echo "make test     run the tests (the browser tests need Chromium)"
	@echo "make test-fast   the tests that need no server and no process of their own: under two minutes"
	@echo "make test-prefect-lowest   the Prefect-facing tests with the lowest release of each dependency"
	@echo "make test-prefect-newest   the same with the newest releases, where these are not the pinned ones"
	@echo "make check    format, lint, types, import rules"
	@echo "make check-examples   what the tests leave out of the examples' checks: CDK, Terraform's format, asl-validator"
	@echo "make foreign-clients   AWS CLI and the AWS SDK for JavaScript, for the tests that run them against the sandbox"
	@echo "make hooks    run the checks before each commit (pre-commit)"
	@echo "make docs     build the documentation site into site/, strictly"
	@echo "make lambda   build the zip of the Lambda function into dist/"
	@echo "make upstream lay the simulated DRS out as a contribution to moto, in dist/moto-with-drs"
	@echo "make release  VERSION=X.Y.Z: check, build, try the wheel, tag; uploads nothing"
	@echo "make install  make .venv with the package and everything the two need"
	@echo "make lock     bring constraints.txt in line with pyproject.toml; UPGRADE=--upgrade takes the newest releases"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev,docs,examples,sandbox]'
	touch $(STAMP)

demo: install
	$(BIN)/python deployments/sandbox/demo.py

test: install
	$(BIN)/python $(PYTEST)

test-fast: install
	$(BIN)/python $(PYTEST) -m unit

# The lowest releases that pyproject.toml allows, of the package and the sandbox; the tools of the tests are the newest.
test-prefect-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -c 'import prefect; print("Prefect", prefect.__version__)'
	$(LOWEST)/bin/python $(PYTEST) -m prefect -o cache_dir=.pytest_cache/lowest

$(LOWEST)/.installed: $(STAMP)
	$(UV) venv --quiet --clear --python $(BIN)/python $(LOWEST)
	$(UV) $(COMPILE) --python $(BIN)/python --resolution lowest-direct --extra sandbox pyproject.toml > $(LOWEST)/lowest.txt
	$(UV) pip install --quiet --python $(LOWEST)/bin/python --constraint $(LOWEST)/lowest.txt --editable '.[dev,sandbox]'
	touch $@

# An install without constraints. Where it would bring what is pinned, `make test` has run on it already.
test-prefect-newest: $(STAMP)
	@$(UV) $(COMPILE) --universal --python-version 3.11 --extra sandbox pyproject.toml > $(VENV)/newest.txt
	@if grep -vxFf constraints.txt $(VENV)/newest.txt; then \
	  echo "are newer than what constraints.txt pins: the Prefect-facing tests run on them"; \
	  $(UV) venv --quiet --clear --python $(BIN)/python $(NEWEST) && \
	  $(UV) pip install --quiet --python $(NEWEST)/bin/python --editable '.[dev,sandbox]' && \
	  $(NEWEST)/bin/python $(PYTEST) -m prefect -o cache_dir=.pytest_cache/newest; \
	else \
	  echo "An install without constraints brings what constraints.txt pins" \
	    "($$(grep '^prefect==' constraints.txt)): not run a second time."; \
	fi

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# By hand: the library of the CDK has 60 MB and needs Node, asl-validator is a package of npm, and terraform may be missing.
check-examples: $(EXAMPLES)/.installed
	rm -rf $(EXAMPLES)/cdk
	CDK_OUTDIR=$(EXAMPLES)/cdk CDK_CONTEXT_JSON='$(CDK_CONTEXT)' $(EXAMPLES)/bin/python examples/cdk/app.py
	$(BIN)/cfn-lint --ignore-checks I W3005 -- $(EXAMPLES)/cdk/*.template.json
	npx --yes asl-validator --json-path examples/step-functions/disaster.asl.json
	if command -v terraform > /dev/null; then terraform fmt -check -diff -recursive examples/terraform; fi

$(EXAMPLES)/.installed: $(STAMP)
	$(UV) venv --quiet --clear --python $(BIN)/python $(EXAMPLES)
	$(UV) pip install --quiet --python $(EXAMPLES)/bin/python --constraint constraints.txt . 'aws-cdk-lib>=2.100,<3'
	touch $@

# The CLI pins a botocore of its own, the SDK needs npm: neither is in .venv. Without them their tests are skipped.
foreign-clients: $(FOREIGN)/.installed

$(FOREIGN)/.installed: tests/e2e/foreign/requirements.txt tests/e2e/foreign/package.json $(STAMP)
	$(UV) venv --quiet --clear --python $(BIN)/python $(FOREIGN)
	$(UV) pip install --quiet --python $(FOREIGN)/bin/python --requirement tests/e2e/foreign/requirements.txt
	cp tests/e2e/foreign/package.json $(FOREIGN)/
	npm install --prefix $(FOREIGN) --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

hooks: install
	$(BIN)/pre-commit install

# Not --quiet: it hides the warnings that fail a strict build.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# What a contribution of the simulated DRS to moto would hold: docs/simulator-upstream.md.
upstream: install
	$(BIN)/python -m release.upstream dist/moto-with-drs

lambda: install
	$(BIN)/python -m release.lambda_package

release: install
	$(BIN)/python -m release "$(VERSION)"

lock: install
	$(UV) $(COMPILE) --universal --python-version 3.11 $(UPGRADE) --all-extras pyproject.toml --output-file constraints.txt

clean:
	rm -rf $(VENV) $(LOWEST) $(NEWEST) $(EXAMPLES) $(FOREIGN) .pytest_cache .mypy_cache .ruff_cache .hypothesis .demo site
