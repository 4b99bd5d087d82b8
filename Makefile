# Everything from one place. The first target that needs it makes .venv and installs from constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
STAMP := $(VENV)/.installed
PEERS := $(VENV)/.peers
RUN := $(BIN)/stackattn

.DEFAULT_GOAL := help
.PHONY: help sweep compare-pe ablate-depth test coverage test-slow lint bench bench-sweep known-answers smoke clean

help: ## Name the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "stackattn needs Python 3.11 or newer; write make PYTHON=python3.11"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $(STAMP)

sweep: $(STAMP) ## The main job: depth 1 to 16 over three seeds, table and figures
	$(RUN) sweep depth=1,2,4,8,16

compare-pe: $(STAMP) ## Three position encodings over three seeds
	$(RUN) compare-pe pe=learned,sinusoidal,relative

ablate-depth: $(STAMP) ## Depth 1 to 16, pre-LN and post-LN
	$(RUN) ablate-depth

lint: $(STAMP) ## Ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint ## Lint, then every test that is not slow
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow'

coverage: $(STAMP) ## The same tests with their branch coverage, half as long again; fails below 90 %
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow' --cov --cov-report=
	$(BIN)/coverage report

test-slow: $(STAMP) ## The slow tests
	$(BIN)/python -m pytest -m slow

smoke: $(STAMP) ## A small sweep and a small compare-pe, end to end
	rm -rf outputs-smoke
	$(RUN) sweep depth=1,2 seeds=2 epochs=1 --out outputs-smoke
	$(RUN) sweep depth=1,2 seeds=2 epochs=1 --out outputs-smoke
	$(RUN) compare-pe pe=learned,sinusoidal,relative seeds=2 epochs=1 data=digits --out outputs-smoke
	$(RUN) plot --out outputs-smoke
	rm -rf outputs-smoke

known-answers: $(STAMP) ## Studies whose answer is known, on fresh seeds; one by name with NAMES=recall-depth
	$(BIN)/python -m stackcli.experiment.known_answers $(NAMES)

$(PEERS): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]' && touch $(PEERS) \
		|| echo "the other libraries could not be installed: their rows will say so"

bench: $(PEERS) ## Speed against other libraries, side by side; options with ARGS="--only peers"
	$(BIN)/python -m stackcli.experiment.speed_ratios $(ARGS) $(DATA)

bench-sweep: $(STAMP) ## A whole sweep against the same runs as plain PyTorch scripts; takes many minutes
	$(BIN)/python -m stackcli.experiment.speed_ratios --only sweep $(ARGS) $(DATA)

clean: ## Take away the environment, caches and outputs
	rm -rf $(VENV) outputs outputs-smoke outputs-known dist build .pytest_cache .mypy_cache .ruff_cache .coverage
