PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
PIP_AUDIT := .venv-audit/bin/pip-audit --disable-pip --no-deps
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

# Tests wait for servers, disks and kills: a process more than there are cores, a few at most, for each loads torch. A file's
# tests share what they make, so files stay whole, in the order of tests/conftest.py: the longest first, so that no core waits
# for the last.
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN || echo 2); echo $$((cores < 4 ? cores + 1 : 4)))
PARALLEL := -n $(WORKERS) --dist=loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo test lint unit system format bench chaos audit clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.serve ## install, make a corpus, index it, serve it on PORT (8000) until Ctrl-C
	$(BIN)/vilem demo --port $(PORT)

test: ## install what the tests need, then lint, types, layers and every test, side by side
	$(MAKE) --no-print-directory -j2 lint unit

lint: $(VENV)/.test ## ruff, pyright (strict) and the layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/pyright

unit: system $(VENV)/.test ## the tests alone; ARGS="-k name" chooses
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

system:
	sh tests/support/install_system.sh

format: $(VENV)/.test ## let ruff rewrite what it can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(VENV)/.test ## every bar, one table each (an hour; the machine must be otherwise idle); ARGS="load" chooses
	$(BIN)/python -m benchmarks $(ARGS)

chaos: $(VENV)/.test ## faults and hostile clients against a real service (half an hour; ARGS="idle_connections --idle 1000")
	$(BIN)/python -m benchmarks.chaos $(ARGS)

audit: .venv-audit/bin/pip-audit ## look every pinned dependency up among the known vulnerabilities (needs pypi.org)
	@# a mirror of packages answers for each that it knows nothing: so one that is known to be vulnerable is asked for first
	@printf 'jinja2==2.4.1\n' > .venv-audit/known.txt; $(PIP_AUDIT) -f json -r .venv-audit/known.txt 2>/dev/null | grep -q CVE \
	  || { echo "make audit: the vulnerabilities that pypi.org knows are not reached from here: nothing was looked up" >&2; exit 2; }
	$(PIP_AUDIT) --strict -r constraints.txt

clean: ## remove the demo's data and the virtual environment
	rm -rf .demo $(VENV)

# One virtual environment: the demo installs what serving needs, the tests add torch and the tools. pip would compile all of
# their 22,000 files, a third of its time: Python compiles the quarter that is imported, and keeps it whatever the shell says.
$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

.venv-audit/bin/pip-audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip --disable-pip-version-check -q install 'pip-audit>=2.9'
	touch $@

$(VENV)/.serve: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[cpu]'
	touch $@

# pip chooses among all releases of so many packages, and unpacks one file after the other: minutes. All are pinned: it takes
# them as they stand, in two halves side by side, and then adds what is still missing here.
HALVES := $(VENV)/.half-one $(VENV)/.half-other
$(VENV)/.half-one: CHOOSE := grep -iE
$(VENV)/.half-other: CHOOSE := grep -ivE
$(HALVES): $(BIN)/python constraints.txt
	$(CHOOSE) '^([a-n]|torch==)' constraints.txt > $@.txt
	$(PIP) install --no-compile --no-deps -r $@.txt
	touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml constraints.txt $(HALVES)
	$(PIP) install --no-compile -c constraints.txt -e '.[cpu,train,video,milvus,ray,s3,trace,test]'
	touch $(VENV)/.serve $@
