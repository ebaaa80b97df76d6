"""For every tier: the process that crewai runs in, as the functions prepare it."""

import os

from hypothesis import settings

from quarterdeck.process import prepare_process

prepare_process()

# `make prove` runs the same properties deeper. No deadlines: these machines are noisy.
settings.register_profile("test", deadline=None)
settings.register_profile("prove", deadline=None, max_examples=5_000)
settings.load_profile("prove" if os.environ.get("QUARTERDECK_PROVE") else "test")
