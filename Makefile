# One command a purpose; each makes the environment first where it is not there yet.
PYTHON ?= python3.11
ENVIRONMENT := .venv
BIN := $(ENVIRONMENT)/bin
INSTALLED := $(ENVIRONMENT)/installed

.PHONY: demo test check bench clean

demo: $(INSTALLED)
	@$(BIN)/mu demo

test: $(INSTALLED)
	@$(BIN)/python -m pytest -q

check: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/pyright

bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks

clean:
	rm -rf $(ENVIRONMENT) build *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "mu needs Python 3.11: install it, or name it with PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "installing into $(ENVIRONMENT)"
	@$(PYTHON) -m venv $(ENVIRONMENT)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,check]'
	@touch $@
