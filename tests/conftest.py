"""What every test may rely on."""

import logging

import hypothesis
import pytest

# A computer that does ten other things keeps no deadline, and a first example builds what is built when first used.
hypothesis.settings.register_profile("any computer", deadline=None)
hypothesis.settings.load_profile("any computer")


@pytest.fixture(autouse=True)
def _root_logger_as_found():
    """A command that runs within a test sets the level of its process, which the next test shares."""
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)
