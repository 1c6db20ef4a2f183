# Two commands do everything: `make serve` runs the service, `make test` proves it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WEIGHTS := var/weights

.DEFAULT_GOAL := help
.PHONY: help setup serve test unit browser check format docs benchmarks lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A stamp a lock file: pip runs again only when its lock changed, and starts over when it was interrupted.
$(VENV)/service.stamp: requirements/service.txt pyproject.toml | $(BIN)/python
	@echo "Installing the service's pinned packages (about 600 MB, once)"
	$(BIN)/pip install --progress-bar on --require-hashes -r requirements/service.txt
	$(BIN)/pip install --no-deps --no-build-isolation --quiet -e .
	@touch $@

$(VENV)/development.stamp: requirements/development.txt $(VENV)/service.stamp
	@echo "Installing the development packages"
	$(BIN)/pip install --progress-bar on --require-hashes -r requirements/development.txt
	@touch $@

# Summaries that are off, or made by another server, need no model here: settings of the service, read from its names.
NO_SUMMARIZER := $(if $(filter off,$(SUMMARIZER) $(STT_SUMMARIZER_MODE))$(SUMMARIZER_URL)$(STT_SUMMARIZER_URL),--no-summarizer)

setup: $(VENV)/service.stamp  ## environment, weights and engines
	$(BIN)/python -m export setup $(NO_SUMMARIZER)

serve: setup  ## set everything up (once) and run the service
	exec $(BIN)/stt serve

# Unit tests first and side by side: what is broken is told within a minute. The others start servers, one at a time.
test: setup check browser unit  ## everything that proves it (15 to 30 minutes on 2 cores); TESTS=path runs a part of it
	$(BIN)/python -m pytest $(or $(TESTS),tests/integration tests/e2e)

unit: $(VENV)/development.stamp  ## unit tests alone, in about a minute
	$(BIN)/python -m pytest -n auto tests/unit

# The page is tested in a real browser, Debian's; without the right to install it, the person who has it is told how.
browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends chromium >/dev/null; } \
	  || echo "No browser: its tests are skipped. \`apt-get install --no-install-recommends chromium\` brings it."

format: $(VENV)/development.stamp  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/development.stamp  ## write the generated pages again
	$(BIN)/python -m gateway.settings_page > docs/settings.md

check: $(VENV)/development.stamp  ## ruff, mypy, the import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv-benchmarks/benchmarks.stamp: requirements/benchmarks.txt
	@echo "Installing the benchmarks' own packages (the peers among them)"
	$(PYTHON) -m venv .venv-benchmarks
	.venv-benchmarks/bin/pip install --progress-bar on --require-hashes -r requirements/benchmarks.txt
	@touch $@

benchmarks: .venv-benchmarks/benchmarks.stamp  ## environment and weights of the peers; then: python -m benchmarks NAME
	.venv-benchmarks/bin/python -m benchmarks.peers.weights

UV_COMPILE = uv pip compile pyproject.toml --quiet --generate-hashes --no-header \
  --no-emit-index-url --no-emit-find-links $(addprefix --find-links ,$(PIP_FIND_LINKS))
# Containers run the versions that the tests run; NVIDIA's images bring Python 3.12.
LOCK = $(UV_COMPILE) --python-version 3.11
LOCK_NVIDIA = $(UV_COMPILE) --python-version 3.12
TESTED = --constraint requirements/service.txt
TRITON_GPU = requirements/container-triton-gpu.txt

lock:  ## pin every requirement again (needs uv)
	$(LOCK) --extra serving --extra export -o requirements/service.txt
	$(LOCK) --extra serving --extra export --extra development $(TESTED) -o requirements/development.txt
	$(LOCK) --extra benchmarks -o requirements/benchmarks.txt
	$(LOCK) --extra build $(TESTED) -o requirements/container-build.txt
	$(LOCK) --extra gateway $(TESTED) -o requirements/container-gateway.txt
	$(LOCK) --extra triton --extra models --extra cpu $(TESTED) -o requirements/container-triton-cpu.txt
	$(LOCK) --extra export --extra models --extra cpu $(TESTED) -o requirements/container-export-cpu.txt
	$(LOCK_NVIDIA) --extra models --extra gpu $(TESTED) -o $(TRITON_GPU)
	$(LOCK_NVIDIA) --extra export --extra models --extra gpu --constraint $(TRITON_GPU) \
	  -o requirements/container-export-gpu.txt

clean:  ## remove what was built (environment, engines, weights, data)
	rm -rf $(VENV) var build *.egg-info
	git clean -fdxq model_repository
