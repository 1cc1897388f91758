# make run   execute the series from start to end        make test   the whole check
# make lab   open it in JupyterLab                       make lint   format and lint
#
# What each target does stands in tools/course.py, which works without make as well:
# python tools/course.py run
PYTHON ?= python3
VENV   ?= .venv
export VENV

TARGETS := install run test test-try test-slurm twice lab lint outputs figures export bench stamp cells
TARGETS += editions lock site clean
.PHONY: help publish-check $(TARGETS)
.DEFAULT_GOAL := help

# Options for the command itself: make run OPTIONS="--resume 07"
help $(TARGETS):
	@command -v $(PYTHON) >/dev/null || { \
	  echo "'$(PYTHON)' is missing. Name another Python: make PYTHON=python3.12 $@"; exit 1; }
	@$(PYTHON) tools/course.py $@ $(OPTIONS)

publish-check:
	@$(PYTHON) tools/course.py $@ $(ADDRESS)
