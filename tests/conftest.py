"""Settings all tests share."""

from __future__ import annotations

from hypothesis import settings

# The machines differ; what a property says does not depend on how long it takes.
settings.register_profile("tidegate", deadline=None, max_examples=60, print_blob=True)
settings.load_profile("tidegate")
