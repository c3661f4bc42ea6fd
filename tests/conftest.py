"""What holds for every test: shapes are checked at run time, one thread, no network."""

import os

# Before torch is imported: see "Many sessions" in the platform's measurements; spinning threads
# make a forward pass fifty times slower on a busy machine of two cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from jaxtyping import install_import_hook

import tests.support.shapes  # noqa: F401  (the hook calls it by name)

# Every public shape in the library is a promise; here a broken one is a failure. In the app nothing
# is checked, so it costs nothing.
install_import_hook("transformer_core", "tests.support.shapes.checked")
