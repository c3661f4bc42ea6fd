"""``python -m transformer_core``."""

import io
import os
import sys

# Spinning OpenMP threads starve each other on a busy machine; must be set before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from transformer_core.cli import main

for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper):
        _stream.reconfigure(encoding="utf-8", errors="backslashreplace")
try:
    _code = main()
    sys.stdout.flush()
except BrokenPipeError:  # whoever read the results, such as ``head``, has enough
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _code = 0
except KeyboardInterrupt:
    _code = 130
sys.exit(_code)
