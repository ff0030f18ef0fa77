# Everything starts from a plain Python 3.11 or newer and pip. Each target makes .venv by itself and re-installs only
# when a lock file or pyproject.toml changes. Another interpreter: make PYTHON=/path/to/python3.12 demo

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Two workers, a test file stays on one of them: a compiled simulation is then shared by the tests of its file.
PYTEST_ARGS ?= -n 2 --dist loadfile

.PHONY: install demo test lint bench verify docs lock clean

install: $(RUNTIME)

demo: $(RUNTIME)
	$(BIN)/tumornexus run examples/demo_patient --out out/demo

test: $(DEV)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(RUNTIME)
	$(BIN)/python benchmarks/bench.py
	$(BIN)/python benchmarks/profile.py
	$(BIN)/python benchmarks/tissue.py --tissue60

# Longer arguments with the world; each script writes its figures and numbers under out/verification.
verify: $(DEV)
	$(BIN)/tumornexus check
	TUMORNEXUS_SLOW=1 $(BIN)/python -m pytest tests/systemic/test_gradient.py
	TUMORNEXUS_EXAMPLES=new $(BIN)/python -m pytest tests/biology tests/profile tests/trial tests/test_units.py
	$(BIN)/python verification/integrator.py --out out/verification
	$(BIN)/python verification/pk.py --out out/verification
	$(BIN)/python verification/recovery.py --out out/verification
	$(BIN)/python verification/sensitivity.py --out out/verification
	$(BIN)/python verification/sbml.py --out out/verification
	$(BIN)/python verification/network.py --out out/verification
	$(BIN)/python verification/phenomena.py --out out/verification/phenomena
	$(BIN)/python verification/fields.py --out out/verification
	$(BIN)/python verification/keren.py --out out/verification
	$(BIN)/python verification/toposcore.py --out out/verification
	$(BIN)/python verification/cohorts.py --out out/verification/cohorts
	$(BIN)/python verification/predictive.py --out out/verification
	$(BIN)/python verification/serial.py --out out/verification
	$(BIN)/python verification/missing_genes.py --out out/verification
	$(BIN)/python verification/deconvolution.py --out out/verification
	$(BIN)/python verification/phenotype.py --out out/verification
	$(BIN)/python verification/tissue_phenotypes.py --out out/verification
	$(BIN)/python verification/well_mixed.py --out out/verification

docs: $(DEV)
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found; name a Python >= 3.11: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

# Locks are made for Python 3.11 on Linux x86-64. They carry hashes and no index address, so any mirror may serve them.
LOCK := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-annotate --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --build-deps-for=editable
lock: $(VENV)/bin/python
	$(PIP) install --quiet pip-tools
	$(LOCK) --output-file requirements.lock pyproject.toml
	$(LOCK) --extra dev --extra docs --extra scverse --extra sbml --extra cluster --extra vcf --extra verify -c requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) out docs/_build docs/catalogue docs/reference
