# Two commands on a fresh machine with Python 3.11 or later: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOURNEY := examples/complete_journey
READERS := .venv-readers
DAGSTER := .venv-dagster
SITE := .venv-site
SEED ?= 0

.DEFAULT_GOAL := help
.PHONY: wheels torch help install demo sample test check fetched compiled unit cases quick long engines steadiness readers dagster notebooks bench docs site tour soak clean

help: ## Show the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

install: $(STAMP) ## Create .venv and install everything at the tested versions

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "daeda needs Python 3.11 or later: make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): some 100 packages, a minute or two the first time"
	@# Before 0.2.0 the distribution had another name, and would leave its command behind.
	@! test -d $(VENV)/lib/python*/site-packages/daeda-0.1.0.dist-info || $(BIN)/python -m pip uninstall --quiet --yes daeda
	@$(BIN)/python deploy/install.py --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

demo: install ## Prepare real data, train two weeks of the example, show the result
	@$(BIN)/python $(JOURNEY)/prepare.py
	@$(BIN)/daeda pipeline train household_ranking --runtime-config-path $(JOURNEY)/config/training/runtime.yaml
	@$(BIN)/python $(JOURNEY)/show.py

sample: install ## Make data for the root project, dssm_ranking, below data/
	@$(BIN)/python -m sample_data

# Whoever collects the tests first compiles them: one process does so beside the checks, and not each of the four.
test: install ## Run every check and every test
	@$(MAKE) --no-print-directory -j 3 check compiled fetched
	@$(MAKE) --no-print-directory unit

check: install ## ruff, mypy and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Where an engine cannot be had, its tests are skipped, and why is printed.
fetched: install
	@$(BIN)/python -m tests.engines.cache

compiled: install
	@said="$$($(PYTEST) -n 0 --collect-only -q 2>&1)" || { echo "$$said" | tail -n 40; exit 1; }

# A service or a Ray cluster belongs to one process: tests/conftest.py says which tests stay together. Much of a test is
# waiting for what it has started, so that four processes keep two cores busy. The hundreds of commands that tests start
# would compile every module anew where bytecode is not written.
PYTEST := TZ=UTC PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 --dist loadscope --no-loadscope-reorder

unit: install ## pytest alone, in four processes
	@$(PYTEST)

cases: fetched ## What goes deeper than make test: more generated cases, every planted leak, the same on each engine
	@LONG_TESTS=cases $(PYTEST)

long: install ## All of it: every case of what make test and make cases have some of, every generated example
	@LONG_TESTS=1 $(PYTEST)

quick: install ## Unit tests of every package, in under a minute: no Ray, no server, no whole run
	@$(PYTEST) -n 2 -m 'not slow' -q

# What is given to make is in the environment of what it runs, and a run tells of variables that Ray would read.
unexport RAY_KILLS
engines: fetched ## Everything on real engines, and kills on clusters: make engines KILLS=45 RAY_KILLS=20 SEED=0
	@LONG_TESTS=1 TZ=UTC $(BIN)/python -m pytest tests/engines
	@TZ=UTC $(BIN)/python -m tests.engines.campaign --kills $(or $(KILLS),45) --seed $(SEED)
	@TZ=UTC $(BIN)/python -m tests.engines.ray_kills --kills $(or $(RAY_KILLS),20) --seed $(SEED)

steadiness: fetched ## Tests of runners, engines, faults and Ray again and again: make steadiness RUNS=5 LOAD=8
	@$(BIN)/python -m tests.steadiness --runs $(or $(RUNS),5) --load $(or $(LOAD),0)

readers: install ## Read published days with Spark and HuggingFace, which are installed into .venv-readers
	@test -x $(READERS)/bin/python || $(PYTHON) -m venv $(READERS)
	@$(READERS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --requirement tests/readers/requirements.txt --editable '.[polars,pandas,huggingface]'
	@TZ=UTC $(BIN)/python -m tests.readers.run $(READERS)/bin/python

dagster: install ## Try the project of Dagster in examples/, with Dagster in .venv-dagster
	@test -x $(DAGSTER)/bin/python || $(PYTHON) -m venv $(DAGSTER)
	@$(DAGSTER)/bin/python -m pip install --quiet --disable-pip-version-check --requirement examples/dagster_days/requirements.txt
	@LONG_TESTS=cases TZ=UTC $(BIN)/python -m pytest -q tests/example/test_dagster.py

notebooks: install ## Execute the notebook of the example, and store what it prints
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[notebook]'
	@$(BIN)/python $(JOURNEY)/prepare.py
	@$(BIN)/jupyter execute --inplace $(JOURNEY)/notebook.ipynb

bench: install ## Time daeda and its peers: make bench WORKLOAD=small; without one, list them
	@$(BIN)/python -m bench $(WORKLOAD)

soak: install ## Kill runs again and again: make soak KILLS=500 SEED=0; it goes on with SEED=500; EXTENDING=skeleton or vectors: days that are extended
	@TZ=UTC $(BIN)/python -m tests.faults.soak --kills $(or $(KILLS),500) --seed $(SEED) $(if $(EXTENDING),--extending $(EXTENDING))

# PyTorch brings gigabytes with it: a venv of its own has it, and everything else from the one of this project.
TORCH := .venv-torch
torch: install ## Install PyTorch into a venv of its own and run what is marked `torch`
	@test -x $(TORCH)/bin/python || $(BIN)/python -m venv $(TORCH)
	@$(TORCH)/bin/python -c 'import pathlib, site, sys; pathlib.Path(site.getsitepackages()[0], "daeda.pth").write_text("import site; site.addsitedir(" + repr(sys.argv[1]) + ")")' \
		"$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')"
	@$(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --requirement tests/daeda_data/loader/requirements.txt
	@TZ=UTC $(TORCH)/bin/python -m pytest -m torch tests/daeda_data/loader

wheels: install ## Build the wheel, and try it with each extra alone in an environment of its own: make wheels EXTRAS="core s3"
	@TZ=UTC $(BIN)/python -m tests.wheels.run $(EXTRAS)

docs: install ## Write docs/reference/ from the models and the parsers
	@$(BIN)/python -m docs.generate

# Nothing of it belongs to daeda: the site has an environment of its own.
site: ## Build the user guide as a site, build/site/html; a link that leads nowhere is an error
	@test -x $(SITE)/bin/python || $(PYTHON) -m venv $(SITE)
	@$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check --requirement docs/requirements.txt
	@$(SITE)/bin/python -m docs.site $(SITE)/bin/zensical $(if $(REPOSITORY),--repository $(REPOSITORY))

tour: install ## Run the commands of docs/tour.md on the example, and write the page anew
	@$(BIN)/python $(JOURNEY)/prepare.py > /dev/null
	@$(BIN)/python -m docs.tour

clean: ## Remove the environment, caches, the sample, the example's data, and all output
	rm -rf $(VENV) $(READERS) $(TORCH) $(DAGSTER) $(SITE) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(JOURNEY)/data $(JOURNEY)/output data output
