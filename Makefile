# `make demo` and `make test` need Python 3.10 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test clean

DEMO := --flagfile=flags/table1_digits.flags --seeds=0,1 --jobs=2 --out=demo

demo: $(VENV)/installed
	$(BIN)/python -m reproduce.table1 --datasets=digits --classes=5 $(DEMO)
	$(BIN)/python -m figures.figure4 --cases=digits_5 $(DEMO)

test: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not exhaustive"

$(VENV)/installed: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
