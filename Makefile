# The commands of the project; each does the set-up first where it is missing.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: setup test

setup: $(STAMP)

$(STAMP): requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -r requirements-dev.txt
	touch $(STAMP)

test: setup
	OMP_WAIT_POLICY=passive HF_HUB_OFFLINE=1 $(VENV)/bin/python -m pytest --import-mode=importlib tests
