# Everything a developer or CI runs. `make venv` builds the environment; every other target uses it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
EXTRAS := .venv-extras
PIP    := pip install --quiet --disable-pip-version-check
# One more than the cores of a small machine: tests of real processes wait a good part of their time.
WORKERS ?= 3
CODE   := src tests bench examples scripts

.PHONY: venv venv-extras demo test test-extras check format bench soak coverage mutants clean

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/$(PIP) -c constraints.txt -e '.[dev,demo,ledger,report]'
	touch $@

demo: venv
	$(BIN)/python examples/demo.py

test: venv
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

# Callbacks and experiment trackers need an environment of their own: large, and with other pins. What is imported
# is compiled then: to compile all of it takes as long as to install it.
venv-extras: $(EXTRAS)/.installed

test-extras: venv-extras
	$(EXTRAS)/bin/pytest -m extras tests/extras

$(EXTRAS)/.installed: pyproject.toml constraints.txt constraints-extras.txt
	$(PYTHON) -m venv $(EXTRAS)
	$(EXTRAS)/bin/$(PIP) --no-compile -c constraints.txt -c constraints-extras.txt -e '.[transformers,lightning,mlflow,wandb,ledger,aws]' mlflow pytest pytest-timeout hypothesis
	touch $@

check: venv
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: venv
	$(BIN)/ruff check --fix --quiet $(CODE)
	$(BIN)/ruff format --quiet $(CODE)

# One script a figure; each prints its table and writes out/bench/NAME.json.
bench: venv
	mkdir -p out/bench
	for script in bench/[a-z]*.py; do \
	  case $$script in *adapter*|*rows*) continue;; esac; \
	  echo "== $$script"; $(BIN)/python $$script --json out/bench/$$(basename $$script .py).json || exit 1; \
	done

# Long fault campaigns, seeds printed; takes hours. The swarm's ten thousand run-days, and the ledger's
# million steps, go on where they were cut short.
soak: venv
	$(BIN)/python -m tests.swarm.soak --days 10000
	$(BIN)/python -m tests.store.soak --steps 1000000
	SHOESTRING_SOAK=20 $(BIN)/pytest -m 'soak or not soak' -s --timeout 36000 \
	  tests/faults tests/contract tests/training tests/jobfile tests/store

# Branch coverage of each room that decides about money and lives, by the tests of these rooms; below 98 % it fails.
CORE := domain ledger market policies planner supervisor
coverage: venv
	mkdir -p out
	$(BIN)/pytest -n 2 --dist worksteal --timeout 600 --cov --cov-report= $(addprefix tests/,$(CORE) sim swarm)
	for room in $(CORE); do \
	  $(BIN)/coverage report --include="src/shoestring/$$room/*" --fail-under 98 || exit 1; \
	done

# Faults put into the code, one at a time: do the tests notice? Half an hour; `make mutants SAMPLE=` takes all of them.
SAMPLE ?= 300
mutants: venv
	$(BIN)/python scripts/mutants.py ledger supervisor $(if $(SAMPLE),--sample $(SAMPLE))

clean:
	rm -rf $(VENV) $(EXTRAS) out build dist
