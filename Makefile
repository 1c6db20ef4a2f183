# Two commands do everything: `make serve` runs the service, `make test` proves it.
# PYTHON names the Python that the environment is made with; otherwise the first of these that is 3.11 or 3.12.
ifndef PYTHON
PYTHON := $(shell for each in python3 python3.12 python3.11; do \
  $$each -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$each && exit; \
  done; echo python3)
endif
BIN := .venv/bin
SETUP = @command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or 3.12 is needed: there is no $(PYTHON)."; exit 1; }; \
  $(PYTHON) -m setup

.DEFAULT_GOAL := help
.PHONY: help setup serve page plot mcp test unit browser check format docs development benchmarks device lock clean distclean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup:  ## environment, weights and engines
	$(SETUP) service

serve:  ## set everything up (once) and run the service
	$(SETUP) service --serve && exec $(BIN)/stt serve

page:  ## build the web page again (`make serve` builds it once)
	$(SETUP) page

plot: setup  ## bring what `stt transcribe --plot` draws with (80 MB)
	$(SETUP) plot

mcp: setup  ## bring what `stt mcp` serves with (25 MB)
	$(SETUP) mcp

development:
	$(SETUP) development

# Unit tests first and side by side: what is broken is told within a minute. Integration tests start processes of their
# own, a file beside a file; those of the whole service share one, in turn.
test: setup check browser unit  ## everything that proves it (half an hour on 2 cores); TESTS=path runs a part of it
ifdef TESTS
	$(BIN)/python -m pytest $(TESTS)
else
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations=15 tests/integration
	$(BIN)/python -m pytest --durations=15 tests/e2e
endif

unit: development  ## unit tests alone, in about a minute
	$(BIN)/python -m pytest -n auto tests/unit

# The page is tested in a real browser, Debian's; without the right to install it, the person who has it is told how.
browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends chromium >/dev/null; } \
	  || echo "No browser: its tests are skipped. \`apt-get install --no-install-recommends chromium\` brings it."

check: development  ## ruff, mypy, the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: development  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: development  ## write the generated pages again
	$(BIN)/python -m gateway.settings_page > docs/settings.md
	$(BIN)/python -m benchmarks > /dev/null

benchmarks:  ## environment and weights of the peers; then: python -m benchmarks NAME
	$(SETUP) benchmarks

device:  ## pack what a machine with a GPU and no network needs to measure, into var/device
	$(BIN)/python -m benchmarks.device.pack

UV_COMPILE = uv pip compile pyproject.toml --quiet --generate-hashes --no-header \
  --no-emit-index-url --no-config
# Containers run the versions that the tests run; NVIDIA's images bring Python 3.12.
LOCK_WHOLE = $(UV_COMPILE) --python-version 3.11
LOCK_TESTS = $(LOCK_WHOLE) --override requirements/never-imported.in
LOCK = $(LOCK_TESTS) --override requirements/imported-by-tests.in
LOCK_NVIDIA = $(UV_COMPILE) --python-version 3.12
TESTED = --constraint requirements/service.txt
TRITON_GPU = requirements/container-triton-gpu.txt

lock:  ## pin every requirement again (needs uv)
	$(LOCK) --extra serving --extra export -o requirements/service.txt
	$(LOCK_TESTS) --extra serving --extra export --extra development $(TESTED) -o requirements/development.txt
	$(LOCK_WHOLE) --extra benchmarks -o requirements/benchmarks.txt
	$(LOCK_WHOLE) --extra agents -o requirements/agents.txt
	$(LOCK) --extra plot $(TESTED) -o requirements/plot.txt
	$(LOCK) --extra mcp $(TESTED) -o requirements/mcp.txt
	$(LOCK) --extra page $(TESTED) -o requirements/page.txt
	$(LOCK) --extra build $(TESTED) -o requirements/container-build.txt
	$(LOCK) --extra gateway $(TESTED) -o requirements/container-gateway.txt
	$(LOCK) --extra triton --extra models --extra cpu $(TESTED) -o requirements/container-triton-cpu.txt
	$(LOCK) --extra export --extra models --extra cpu $(TESTED) -o requirements/container-export-cpu.txt
	$(LOCK_NVIDIA) --extra models --extra nvidia-image $(TESTED) -o $(TRITON_GPU)
	$(LOCK_NVIDIA) --extra export --extra plans --extra models --extra nvidia-image --constraint $(TRITON_GPU) \
	  -o requirements/container-export-gpu.txt

clean:  ## remove what was built: environments, engines, weights, logs; keys, credits and recordings stay
	rm -rf .venv .venv-benchmarks build *.egg-info var/weights var/log
	git clean -fdxq model_repository

distclean:  ## remove the service's data as well: keys, credits, ledger (asks first; SURE=yes does not)
	@if [ "$(SURE)" != yes ] && [ -e var ]; then \
	  printf 'var holds keys, credits and the ledger. Remove it for good? [y/N] '; read answer; [ "$$answer" = y ] || exit 1; \
	fi; $(MAKE) clean; rm -rf var
