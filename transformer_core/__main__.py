"""``python -m transformer_core``."""

import os
import sys

# Spinning OpenMP threads starve each other on a busy machine; must be set before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from transformer_core.cli import main  # noqa: E402

sys.exit(main())
