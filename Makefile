# make help lists the targets. Everything runs in its own environment, .venv, which the first target that needs it creates.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CONSTRAINTS := requirements/constraints.txt
READY := $(VENV)/.ready
XTCOCOTOOLS := $(VENV)/.xtcocotools
OPTIONAL := $(VENV)/.optional
# processes that the tests are spread over
JOBS ?= 2
EXTRAS := tensorboard,xthotcoco,tests,docs
OPTIONAL_EXTRAS := export,openvino,orjson,ray,sleap-io,supervision,wandb

# $(call demonstrate,CONFIG,FOLDER): train, evaluate the best checkpoint, draw what it finds and report on it
define demonstrate
$(BIN)/python tools/train.py $(1) --work-dir $(2) --overwrite
$(BIN)/python tools/test.py $(1) "$$(ls -t $(2)/best_*.pth | head -n 1)" --work-dir $(2) --show-dir $(2)/pictures \
	--report $(2)/report
@echo "Pictures are in $(CURDIR)/$(2)/pictures"
@echo "The report is $(CURDIR)/$(2)/report/report.html"
endef

.PHONY: help env demo demo-instances test prove coverage bench lint format types docs clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

env: $(READY)  ## create .venv with the tested versions (PYTHON=python3.12 chooses another interpreter)

# opencv-python needs the system's libGL; the headless build has the same API and does without.
$(READY): setup.py $(wildcard requirements/*.txt)
	@echo "Installing the versions pinned in $(CONSTRAINTS) into $(VENV)"
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --quiet --constraint $(CONSTRAINTS) setuptools
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --no-build-isolation --editable ".[$(EXTRAS)]"
	$(BIN)/python -c "import cv2" || { $(PIP) uninstall --quiet --yes opencv-python && \
		$(PIP) install --quiet --constraint $(CONSTRAINTS) opencv-python-headless && $(BIN)/python -c "import cv2"; }
	@touch $@

# The one package without wheels. Where it does not build, its tests are skipped, and everything else works.
$(XTCOCOTOOLS): $(READY)
	@if $(PIP) install --quiet --constraint $(CONSTRAINTS) --no-build-isolation --no-binary xtcocotools xtcocotools; \
	then touch $@; \
	else echo "xtcocotools did not build (it needs a C compiler, and Python 3.12 or older): its tests will be skipped."; fi

# What a user installs who needs it. Without it, its tests are skipped.
$(OPTIONAL): $(READY)
	@if $(PIP) install --quiet --constraint $(CONSTRAINTS) --no-build-isolation --editable ".[$(OPTIONAL_EXTRAS)]"; \
	then touch $@; \
	else echo "Not all of $(OPTIONAL_EXTRAS) could be installed: tests of what is missing will be skipped."; fi

demo: $(READY)  ## train, test, draw and report on the tiny hourglass on synthetic people, on the CPU
	$(call demonstrate,configs/synthetic/pose_hourglass_tiny_128.py,work_dirs/demo)

demo-instances: $(READY)  ## the same for instance masks of synthetic scenes
	$(call demonstrate,configs/synthetic/instance_hourglass_tiny_128.py,work_dirs/demo_instances)

test: $(READY) $(XTCOCOTOOLS) $(OPTIONAL)  ## run all tests (JOBS=4 spreads them over four processes)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

prove: $(READY) $(XTCOCOTOOLS) $(OPTIONAL)  ## run the long checks: slow tests, broken files, 60 trainings that are killed, one hour of running
	$(BIN)/python -m pytest -m slow
	$(BIN)/python tests/fuzz/run.py --count 3000
	$(BIN)/python -m tests.faults.kill_and_resume --trials 60
	$(BIN)/python -m tests.faults.soak --minutes 60

coverage: $(READY) $(XTCOCOTOOLS) $(OPTIONAL)  ## run all tests, list the lines of aemm/ that none reaches
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --cov --cov-report=term-missing:skip-covered --cov-fail-under=90

bench: $(READY)  ## time what matters, in 10 minutes, and write benchmarks/report.md
	$(BIN)/python benchmarks/run_all.py --minutes 10

lint: $(READY)  ## check style, formatting and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell .

format: $(READY)  ## repair what ruff can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY)  ## check the types of aemm/
	$(BIN)/mypy

docs: $(READY)  ## build docs/_build/html, warnings are errors
	rm -rf docs/_build
	$(BIN)/sphinx-apidoc -q --module-first --separate --no-toc --output-dir docs/_build/api aemm
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

clean:  ## remove the environment and everything that was built (work_dirs stays)
	rm -rf $(VENV) build dist docs/_build .coverage .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
