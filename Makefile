# `make demo` and `make test` need only make and Python 3.11, 3.12 or 3.13: each sets up .venv by itself, once.
# Another interpreter: make PYTHON=python3.12 test (after `make clean`, if .venv is there already).

CANDIDATES := python3 python3.13 python3.12 python3.11
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(firstword $(foreach name,$(CANDIDATES),$(shell $(name) -c '$(FITS)' >/dev/null 2>&1 && echo $(name))) python3)

BIN := .venv/bin
PYTEST = TF_NUM_INTRAOP_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal  # a thread for each of the two
TESTS :=  # a part of the tests: make slow TESTS=tests/labelling

.PHONY: demo test slow lowest lint docs clean

demo: .venv/demo.stamp  ## trains on drawn scenes and shows what it says
	$(BIN)/mmtoolkit demo --overwrite

test: .venv/test.stamp lint  ## what must hold before a change is merged, in ten minutes
	$(PYTEST) -m "not slow" $(TESTS)

slow: .venv/test.stamp  ## what must hold besides and takes longer: browsers, the wheel, killed jobs, whole trainings
	$(PYTEST) -m slow $(TESTS)

lowest: BIN := .venv-lowest/bin
lowest: .venv-lowest/test.stamp  ## what depends on TensorFlow and Keras most, with the oldest that setup.py allows
	$(PYTEST) -m "not slow" $(or $(TESTS),$(addprefix tests/,layers decoding models vision serving/test_export.py \
		training/test_checkpoints.py pipelines/test_predict.py conformance/test_contracts.py))

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/docs.stamp  ## the documentation as a site, docs/site/index.html; a link that leads nowhere ends it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file docs/mkdocs/mkdocs.yml
	rm -rf docs/site
	mv build/docs docs/site  # mkdocs does not write into the folder that it reads

.venv/demo.stamp: setup.py pyproject.toml
	$(call install,.venv,plots)
	@touch $@

.venv/test.stamp: setup.py pyproject.toml
	$(call install,.venv,test$(comma)plots)
	@touch .venv/demo.stamp $@

.venv/docs.stamp: setup.py pyproject.toml
	$(call install,.venv,docs)
	@touch $@

.venv-lowest/test.stamp: setup.py pyproject.toml tests/lowest.txt
	$(call install,.venv-lowest,test$(comma)plots,--constraint tests/lowest.txt)
	@touch $@

clean:
	rm -rf .venv .venv-lowest build dist docs/site *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

comma := ,
define install
@$(PYTHON) -c '$(FITS)' 2>/dev/null || { echo "error: mmtoolkit needs Python 3.11, 3.12 or 3.13; name one with make PYTHON=python3.12." \
	"Received: $(PYTHON), $$($(PYTHON) --version 2>&1 | head -n 1)" >&2; exit 1; }
@echo "installing into $(1) (TensorFlow is large: some minutes the first time)"
@$(PYTHON) -m venv $(1)
@$(1)/bin/python -m pip --disable-pip-version-check --quiet install $(3) --editable '.[$(2)]'
endef
