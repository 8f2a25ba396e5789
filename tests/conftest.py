"""What every test may rely on."""

import logging

import pytest


@pytest.fixture(autouse=True)
def _root_logger_as_found():
    """A command that runs within a test sets the level of its process, which the next test shares."""
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)
