"""Every integration test ends with the check for leftovers, whether its author thought of it or not."""

import pytest


@pytest.fixture(autouse=True)
def _always_check(leftovers):
    """Uses the check."""
    return leftovers
