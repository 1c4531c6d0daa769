"""What holds for every test."""

import decimal
import os

import pytest
from hypothesis import settings

from clx.kernelcache import renew_kernels

# A busy machine is no counterexample. How many examples a property without a count of its own is
# tried with; many more are worth a night.
EXAMPLES = int(os.environ.get("CLX_EXAMPLES", "80"))
settings.register_profile("clx", deadline=None, max_examples=EXAMPLES)
settings.load_profile("clx")

renew_kernels()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give every test the common decimal context: third-party clients change it for good."""
    decimal.setcontext(decimal.Context())
