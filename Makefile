# make run   execute the series from start to end        make test   the whole check
# make lab   open it in JupyterLab                       make lint   format and lint
SHELL  := /bin/bash
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
NBVAL  := --nbval --nbval-current-env --nbval-sanitize-with tests/sanitize.cfg
SPREAD := -n auto --maxprocesses 8 --dist loadscope # a file at a time on each core
TIMED  := $(wildcard notebooks/11-*.ipynb) # measures time, so nothing else runs beside it

.PHONY: help install run test twice lab lint outputs figures export bench stamp cells site clean
.DEFAULT_GOAL := help

help:
	@echo "make install  create .venv and install requirements.txt (TORCH_INDEX=default: PyTorch with CUDA on Linux)"
	@echo "make run      execute every notebook on the shipped data; results in build/notebooks"
	@echo "make test     lint, unit tests, and every notebook cell against its stored output"
	@echo "make twice    run all cells of each notebook twice in one kernel, as a reader may do"
	@echo "make lab      open the notebooks in JupyterLab"
	@echo "make lint     format and lint modules and notebooks"
	@echo "make outputs  execute the notebooks and store the new outputs in them"
	@echo "make figures  redraw images/"
	@echo "make export   write the networks of demos/, after the lesson on training was run"
	@echo "make bench    measure the speed of training, and write the table into README.md"
	@echo "make stamp    write the repository's address from _quarto.yml into the notebooks"
	@echo "make cells    find out which cells run in the reader's browser, after a change"
	@echo "make site     render the website into _site and the Markdown edition into _markdown"
	@echo "make clean    remove what was built (not .venv)"

install: $(VENV)/.installed

run: $(VENV)/.installed
	$(BIN)/python tools/run_series.py --to build/notebooks

test: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SPREAD) tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -v $(NBVAL) $(SPREAD) \
	  $(filter-out $(TIMED),$(wildcard notebooks/*.ipynb))
	$(BIN)/python -m pytest -v $(NBVAL) $(TIMED)

twice: $(VENV)/.installed
	$(BIN)/python tools/run_series.py --twice

lab: $(VENV)/.installed
	JUPYTER_PATH="$(CURDIR)/$(VENV)/share/jupyter:$$JUPYTER_PATH" $(BIN)/jupyter lab --notebook-dir=notebooks

lint: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

outputs: $(VENV)/.installed
	$(BIN)/python tools/run_series.py --in-place

figures: $(VENV)/.installed
	cd notebooks && ../$(BIN)/python -m cnn.figures ../images

export: $(VENV)/.installed
	$(BIN)/python tools/export_draw.py
	$(BIN)/python tools/export_explore.py
	$(BIN)/python tools/export_train.py
	$(BIN)/python tools/export_photo.py

bench: $(VENV)/.installed
	$(BIN)/python tools/bench.py

stamp: $(VENV)/.installed
	$(BIN)/python tools/stamp.py

cells: $(VENV)/.installed
	$(BIN)/python tools/try_forms.py
	$(BIN)/python tools/try_cells.py

site:
	$(PYTHON) tools/make_site.py

# A broken or half-made environment is rebuilt: the marker is written last.
$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "This course needs Python 3.11 or newer; '$(PYTHON)' is older or missing."; \
	  echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) tools/check_platform.py
	@echo "Creating $(VENV) and installing requirements.txt (a few minutes the first time) ..."
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Python could not create a virtual environment. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/python tools/install_torch.py # without CUDA where no NVIDIA driver is; TORCH_INDEX=default: as PyPI has it
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

clean:
	rm -rf build _site _markdown site/lessons _quarto.yml.local .quarto .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
