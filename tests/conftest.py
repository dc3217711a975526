"""Settings of all tests."""

from hypothesis import settings

# A busy machine can take any time for an example, so no example has a deadline.
settings.register_profile("catflap", deadline=None)
settings.load_profile("catflap")
