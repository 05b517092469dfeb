from __future__ import annotations

from hypothesis import settings

settings.register_profile("triggers", deadline=None, max_examples=60)
settings.load_profile("triggers")
