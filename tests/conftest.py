"""What holds for every test."""

import decimal

import pytest
from hypothesis import settings

from clx.kernelcache import renew_kernels

# A busy machine is no counterexample.
settings.register_profile("clx", deadline=None)
settings.load_profile("clx")

renew_kernels()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give every test the common decimal context: third-party clients change it for good."""
    decimal.setcontext(decimal.Context())
