PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := .venv-extras
EXTRAS_READY := $(EXTRAS)/.ready
ARGS ?=
DIST_ARGS ?=
CORES := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
TEST_ARGS ?= -n $(shell [ $(CORES) -gt 2 ] && echo $(CORES) || echo 2) --dist worksteal

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(READY) ## Make the environment (.venv) with everything in it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "abreast needs Python 3.10 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python scripts/install.py -c constraints.txt -e '.[dev]'
	@touch $@
	@echo "Installed. For python train.py and abreast: source $(BIN)/activate"

.PHONY: train
train: $(READY) ## Train a run; change it with ARGS="loss=mse optim=sgd data=mnist"
	$(BIN)/python train.py loss=cross_entropy optim=adam $(ARGS)

.PHONY: study
study: $(READY) ## Compare losses and optimizers on digits; the page: runs/study/report/report.html
	$(BIN)/python train.py -m +study=loss_x_optim hydra.sweep.dir=runs/study $(ARGS)

.PHONY: test
test: $(READY) ## Run the tests, but for those with many processes or machines
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not long" $(TEST_ARGS)

.PHONY: test-short
test-short: $(READY) ## Run the first case of every test that is not slow
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --short $(TEST_ARGS)

.PHONY: test-all
test-all: test test-long ## Run all tests

# Large packages that no other test requires, in an environment that sees those of .venv.
$(EXTRAS_READY): $(READY) constraints-extras.txt
	rm -rf $(EXTRAS)
	$(BIN)/python -m venv --without-pip $(EXTRAS)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> "$$($(EXTRAS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/abreast.pth"
	$(BIN)/python -m pip --python $(EXTRAS)/bin/python install --disable-pip-version-check -q \
		-c constraints-extras.txt 'hydra-ray-launcher>=1.4.0rc3,<1.5' 'ray>=2.60,<3' 'wandb>=0.19' 'mlflow-skinny>=2.20'
	@touch $@

.PHONY: test-long
test-long: $(EXTRAS_READY) ## Run the tests that `make test` leaves out, with Ray, W&B and MLflow
	OMP_NUM_THREADS=1 $(EXTRAS)/bin/python -m pytest -m long $(TEST_ARGS)

.PHONY: gpu
gpu: ## Prove and measure on a GPU, with PYTHON's packages and wheels/; ARGS="--device cpu" rehearses
	$(PYTHON) scripts/gpu.py $(ARGS)

.PHONY: gpu-wheels
gpu-wheels: ## Collect in wheels/ what `make gpu` takes to a machine without a network
	$(PYTHON) scripts/gpu_wheels.py $(ARGS)

.PHONY: check
check: $(READY) ## Run the linter, the formatter's check and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: docs
docs: $(READY) ## Build the documentation into site/; warnings are errors (Python 3.11 or newer)
	$(BIN)/python scripts/generate_docs.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

.PHONY: dist
dist: $(READY) ## Rehearse a release: build, check, install and run it; DIST_ARGS="--tag v0.1.0" for a real one
	OMP_NUM_THREADS=1 $(BIN)/python scripts/rehearse_release.py $(DIST_ARGS)

.PHONY: clean
clean: ## Delete the environment, caches and build outputs; keep runs and data
	rm -rf $(VENV) $(EXTRAS) .mypy_cache .pytest_cache .ruff_cache build dist site
