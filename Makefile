# `make demo` and `make test` need only make and Python 3.11, 3.12 or 3.13: each sets up .venv by itself, once.
# Another interpreter: make PYTHON=python3.12 test (after `make clean`, if .venv is there already).

CANDIDATES := python3 python3.13 python3.12 python3.11
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(firstword $(foreach name,$(CANDIDATES),$(shell $(name) -c '$(FITS)' >/dev/null 2>&1 && echo $(name))) python3)

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := TF_NUM_INTRAOP_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal  # a thread for each of the two

.PHONY: demo test slow lint clean

demo: .venv/demo.stamp  ## trains on drawn scenes and shows what it says
	$(BIN)/mmtoolkit demo --overwrite

test: .venv/test.stamp lint  ## what must hold before a change is merged, in ten minutes
	$(PYTEST) -m "not slow"

slow: .venv/test.stamp  ## what must hold besides and takes longer: browsers, the wheel, killed jobs, whole trainings
	$(PYTEST) -m slow

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/demo.stamp: setup.py pyproject.toml
	$(call install,plots)
	@touch $@

.venv/test.stamp: setup.py pyproject.toml
	$(call install,test$(comma)plots)
	@touch .venv/demo.stamp $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

comma := ,
define install
@$(PYTHON) -c '$(FITS)' 2>/dev/null || { echo "error: mmtoolkit needs Python 3.11, 3.12 or 3.13; name one with make PYTHON=python3.12." \
	"Received: $(PYTHON), $$($(PYTHON) --version 2>&1 | head -n 1)" >&2; exit 1; }
@echo "installing into .venv (TensorFlow is large: some minutes the first time)"
@$(PYTHON) -m venv .venv
@$(PIP) install --editable '.[$(1)]'
endef
