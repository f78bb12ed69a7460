"""Hypothesis plays the same examples in every CI run; by hand it looks for new ones."""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, database=None, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")
