"""Makes the pages of docs/reference that the code tells: ``python -m scripts.reference``."""
