"""Pictures from numbers: pure functions of arrays, for pages, notebooks and files alike."""
