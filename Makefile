PYTHON ?= python3
INPUT ?= samples/fleurs-en-000.ogg
TO ?= de

BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-browser check clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(STAMP) ## Translate a recording as if it were live (INPUT=file TO=language)
	$(BIN)/alignatt translate "$(INPUT)" --to $(TO)

test: $(STAMP) ## Run the tests, except those that take minutes
	$(BIN)/pytest -m "not slow"

test-all: $(STAMP) ## Run every test
	$(BIN)/pytest

test-browser: $(STAMP) ## Run the tests of the page and of other programs' clients (needs Chromium)
	$(BIN)/python -m pip install --quiet -e ".[browser]"
	$(BIN)/python -m pip install --quiet --no-deps "whisperlivekit==0.2.26"
	$(BIN)/pytest tests/test_page.py tests/test_serve_text.py

check: $(STAMP) ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean: ## Remove the virtual environment and everything made by tools
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist src/*.egg-info

# torch first, so that nothing else decides which one it is
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "alignatt4llm needs Python 3.11 or newer; run: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "torch==2.13.0"
	$(BIN)/python -m pip install --quiet -e ".[embedded,evaluate,heads,serve,context,voxtral,dev]"
	touch $(STAMP)
