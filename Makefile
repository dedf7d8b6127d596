# tabpipe: from a table to a trained, checked and tracked model. `make` alone lists the targets.

PYTHON ?= python3
VENV   ?= .venv
CONFIG ?= music_genres
SOURCE ?=
ARGS   ?=
ON     ?= local
REGISTRY ?=
PUSH   ?=
PORT   ?= 5000
CRON   ?=
OVERLAY ?=
CONTEXT ?=
KFP_MANIFESTS ?=
MODEL  ?=

BIN := $(VENV)/bin
RUN := $(VENV)/.run
TEST := $(VENV)/.test
# A file's tests stay in one process, with the runs and servers that they share; the files with long ones come first.
PARALLEL := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Byte code is compiled once, at set-up: without it every start would read the sources of 100 packages anew.
export PYTHONDONTWRITEBYTECODE =
# OpenMP's threads sleep while they wait, instead of keeping processors busy that others want.
export OMP_WAIT_POLICY = PASSIVE
export UV_PROJECT_ENVIRONMENT = $(VENV)

.DEFAULT_GOAL := help
.PHONY: help setup estimator run images compile cluster cluster-down install submit schedule schedules serve deploy undeploy ui test test-fast test-docker test-cluster lint bench bench-serving bench-tables bench-scale lock schema pictures clean

help:  ## Lists these targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(RUN)  ## Makes the environment in .venv (run and test do it by themselves)

estimator: $(RUN)  ## Installs an estimator that is optional: make estimator MODEL=lightgbm (or xgboost, catboost)
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --no-deps --require-hashes -r 'requirements/$(MODEL).lock'

run: $(RUN)  ## Runs a pipeline: make run CONFIG=iris SOURCE=path-or-URL ON=docker ARGS="train.n_estimators=200"
	@$(BIN)/python -m tabpipe run '$(CONFIG)' $(if $(SOURCE),--source '$(SOURCE)') $(if $(filter-out local,$(ON)),--on $(ON)) $(ARGS)

images: $(RUN)  ## Builds the images of the steps and the server: make images PUSH=1 REGISTRY=localhost:5001
	@$(BIN)/python -m tabpipe images $(if $(REGISTRY),--registry $(REGISTRY)) $(if $(PUSH),--push) $(if $(MODEL),--model $(MODEL))

compile: $(RUN)  ## Writes build/train.yaml for Kubeflow: make compile CONFIG=iris REGISTRY=localhost:5001
	@$(BIN)/python -m tabpipe compile '$(CONFIG)' $(if $(REGISTRY),--registry $(REGISTRY)) $(ARGS)

cluster: $(RUN)  ## Makes a kind cluster on this machine with Kubeflow, MinIO and MLflow
	@$(BIN)/python -m tabpipe cluster up

cluster-down: $(RUN)  ## Deletes that cluster with its data
	@$(BIN)/python -m tabpipe cluster down

install: $(RUN)  ## Puts Kubeflow, MinIO and MLflow on the cluster of KUBECONFIG: make install REGISTRY=registry.example/team
	@$(BIN)/python -m tabpipe install $(if $(OVERLAY),--overlay '$(OVERLAY)') $(if $(REGISTRY),--registry '$(REGISTRY)') \
	  $(if $(CONTEXT),--context '$(CONTEXT)') $(if $(KFP_MANIFESTS),--kfp-manifests '$(KFP_MANIFESTS)') $(ARGS)

submit: $(RUN)  ## Runs a pipeline on the cluster and watches it: make submit CONFIG=iris ARGS="train.C=0.5"
	@$(BIN)/python -m tabpipe submit '$(CONFIG)' $(if $(SOURCE),--source '$(SOURCE)') $(if $(REGISTRY),--registry '$(REGISTRY)') $(ARGS)

schedule: $(RUN)  ## Runs a pipeline on the cluster again and again: make schedule CONFIG=nyc_rentals CRON="0 3 * * 1"
	@$(BIN)/python -m tabpipe schedule '$(CONFIG)' --cron '$(CRON)' $(if $(SOURCE),--source '$(SOURCE)') \
	  $(if $(REGISTRY),--registry '$(REGISTRY)') $(ARGS)

schedules: $(RUN)  ## Lists what runs again and again on the cluster
	@$(BIN)/python -m tabpipe schedules

serve: PORT = 8000
serve: $(RUN)  ## Answers requests with the champion on this machine: make serve CONFIG=iris ON=docker PORT=8001
	@$(BIN)/python -m tabpipe serve '$(CONFIG)' --port $(PORT) $(if $(filter-out local,$(ON)),--on $(ON)) $(ARGS)

deploy: $(RUN)  ## Answers requests with the champion on the cluster of KUBECONFIG: make deploy CONFIG=iris REGISTRY=registry.example/team
	@$(BIN)/python -m tabpipe deploy '$(CONFIG)' $(if $(OVERLAY),--overlay '$(OVERLAY)') $(if $(REGISTRY),--registry '$(REGISTRY)') \
	  $(if $(CONTEXT),--context '$(CONTEXT)') $(ARGS)

undeploy: $(RUN)  ## Takes that server off the cluster
	@$(BIN)/python -m tabpipe undeploy '$(CONFIG)' $(if $(CONTEXT),--context '$(CONTEXT)') $(ARGS)

ui: $(RUN)  ## Opens MLflow on the tracked runs: make ui PORT=5000
	@$(BIN)/python -m tabpipe ui --port $(PORT)

test: $(TEST)  ## Runs the tests: make test ARGS="-k train"
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

test-fast: $(TEST)  ## Runs those that need no whole run of a pipeline and no server of their own
	@$(BIN)/python -m pytest $(PARALLEL) -m 'not cluster and not docker and not run' $(ARGS)

test-docker: $(TEST)  ## Runs the tests that need a Docker engine; builds the images first
	@$(BIN)/python -m pytest -m docker $(ARGS)

test-cluster: $(TEST)  ## Runs the tests that need a cluster, on that of KUBECONFIG; says what it skipped
	@$(BIN)/python -m pytest -m cluster -rs --timeout 1800 $(ARGS)

lint: $(TEST)  ## Checks style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: $(TEST)  ## Measures a run beside a plain script: speed, memory, unchanged rerun
	@$(BIN)/python -m bench.main $(ARGS)

bench-serving: $(TEST)  ## Measures the server beside `mlflow models serve` of the same model
	@$(BIN)/python -m bench.serving.main $(ARGS)

bench-tables: $(RUN)  ## Measures init and run on 42 real tables beside a plain script: make bench-tables ARGS="ames flights"
	@$(BIN)/python -m bench.tables $(ARGS)

bench-scale: $(TEST)  ## Measures the first steps on the music table a hundred times over: memory and time
	@$(BIN)/python -m bench.scale $(ARGS)

lock: $(RUN)  ## Resolves requirements/*.in anew into the locks with hashes
	@for name in run test uv; do $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links requirements/$$name.in -o requirements/$$name.lock || exit 1; done
	@images/lock $(BIN)/uv

schema: $(RUN)  ## Writes config/schema.json, the JSON Schema that editors use
	@$(BIN)/python -m tabpipe schema > config/schema.json

pictures: $(RUN)  ## Draws the README's pictures anew (needs Chromium)
	@$(BIN)/python -m tabpipe dag --tsne > docs/images/dag.svg
	@rm -rf output/pictures && for depth in 10 20; do \
	  TABPIPE_HOME=output/pictures $(BIN)/python -m tabpipe run music_genres train.max_depth=$$depth > /dev/null; done
	@chromium --headless --no-sandbox --hide-scrollbars --window-size=1180,1500 --screenshot=docs/images/check_data.png \
	  file://$(CURDIR)/output/pictures/music_genres/latest/reports/check_data.html 2>/dev/null
	@chromium --headless --no-sandbox --hide-scrollbars --window-size=1180,1080 --screenshot=docs/images/promote.png \
	  file://$(CURDIR)/output/pictures/music_genres/latest/reports/promote.html 2>/dev/null
	@TABPIPE_HOME=output/pictures $(BIN)/python -m tabpipe serve music_genres --port 8765 > /dev/null 2>&1 & serving=$$!; \
	  until $(BIN)/python -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:8765/readyz")' 2>/dev/null; do sleep 1; done; \
	  $(BIN)/python -m images.server.tests.picture http://127.0.0.1:8765/ docs/images/form.png; kill $$serving; wait $$serving || true
	@rm -rf output/pictures

clean:  ## Removes the environment and everything that runs have made
	rm -rf $(VENV) output .pytest_cache .ruff_cache .mypy_cache

# One stamp per lock: an unchanged lock is a set-up skipped at once.
$(BIN)/uv: requirements/uv.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] < (3, 14) else \
	  f"tabpipe needs Python 3.11 to 3.13; $(PYTHON) is {v[0]}.{v[1]}. Name another: make PYTHON=python3.12 …")'
	@echo "Setting up $(VENV) (once; about a minute) …"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "This Python cannot make environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock

# `tabpipe` is a command of the environment, though the project is not installed in it: it runs the code beside it.
define LAUNCHER
#!/bin/sh
bin=$$(cd "$$(dirname "$$0")" && pwd)
PYTHONPATH="$${bin%/*/*}$${PYTHONPATH:+:$$PYTHONPATH}" exec "$$bin/python" -m tabpipe "$$@"
endef
export LAUNCHER

$(RUN): requirements/run.lock | $(BIN)/uv
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements/run.lock -r requirements/uv.lock
	@echo "$$LAUNCHER" > $(BIN)/tabpipe && chmod +x $(BIN)/tabpipe
	@touch $@

$(TEST): requirements/test.lock $(RUN)
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements/test.lock -r requirements/uv.lock
	@touch $@
