# `make demo` and `make test` need only Python 3.10 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all clean

demo: $(VENV)/installed
	$(BIN)/python -m figures.few_images --flagfile=flags/few_images_digits.flags --jobs=2 --out=demo \
	  --models=lsgan,rumi_lsgan,lsgan_few_images,rumi_lsgan_few_images

test: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not exhaustive"

test-all: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

$(VENV)/installed: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
