# One command a purpose; each makes the environment first where it is not there yet.
PYTHON ?= python3.11
ENVIRONMENT := .venv
BIN := $(ENVIRONMENT)/bin
INSTALLED := $(ENVIRONMENT)/installed

.PHONY: demo test test-tikv check bench clean

demo: $(INSTALLED)
	@$(BIN)/mu demo

test: $(INSTALLED)
	@$(BIN)/python -m pytest -q

# Everything that runs on a TiKV cluster, on the one at MU_TEST_PD=host:port; its tests keep to prefixes of their own.
test-tikv: $(INSTALLED)
	@test -n "$$MU_TEST_PD" || { echo "name a placement driver: MU_TEST_PD=host:port make test-tikv" >&2; exit 1; }
	@$(BIN)/python -m pytest -q -k "tikv or Tikv" tests/events tests/mu

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
