# Two commands do everything: `make serve` runs the service, `make test` proves it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WEIGHTS := var/weights

.DEFAULT_GOAL := help
.PHONY: help setup serve test check benchmarks lock clean

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

setup: $(VENV)/service.stamp  ## environment, weights and engines
	$(BIN)/python -m export setup

serve: setup  ## set everything up (once) and run the service
	exec $(BIN)/stt serve

test: setup check  ## everything that proves it: check, then the whole test suite
	$(BIN)/python -m pytest $(TESTS)

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

UV_COMPILE = uv pip compile pyproject.toml --quiet --python-version 3.11 --generate-hashes --no-header \
  --no-emit-index-url --no-emit-find-links $(addprefix --find-links ,$(PIP_FIND_LINKS))

lock:  ## pin every requirement again (needs uv)
	$(UV_COMPILE) --extra serving --extra export -o requirements/service.txt
	$(UV_COMPILE) --extra serving --extra export --extra development \
	  --constraint requirements/service.txt -o requirements/development.txt
	$(UV_COMPILE) --extra benchmarks -o requirements/benchmarks.txt

clean:  ## remove what was built (environment, engines, weights, data)
	rm -rf $(VENV) var build *.egg-info
	git clean -fdxq model_repository
