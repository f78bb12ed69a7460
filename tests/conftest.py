"""Hypothesis plays the same examples in every CI run; by hand it looks for new ones.

No example has a time limit: on a busy machine that would fail what is right.
"""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, database=None, deadline=None)
settings.register_profile("by hand", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "by hand")
