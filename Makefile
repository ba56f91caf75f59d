# Each target needs one Python from 3.10 to 3.13; test-matrix uses all that are installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all test-matrix docs clean

demo: $(VENV)/installed
	$(BIN)/python -m figures.few_images --flagfile=flags/few_images_digits.flags --jobs=2 --out=demo \
	  --models=lsgan,rumi_lsgan,lsgan_few_images,rumi_lsgan_few_images

test: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not exhaustive"

test-all: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist worksteal

# On every supported Python that is installed; pyenv exposes only the versions named in PYENV_VERSION.
test-matrix: $(VENV)/installed-matrix
	PYENV_VERSION=$$(pyenv versions --bare 2>/dev/null | paste -sd: -) $(BIN)/nox

docs: $(VENV)/installed-docs
	$(BIN)/mkdocs build --strict

$(VENV)/installed: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)/installed-%: $(VENV)/installed
	$(BIN)/pip install --quiet --editable '.[$*]'
	touch $@

clean:
	rm -rf $(VENV) .nox build site *.egg-info
