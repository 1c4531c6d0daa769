"""What holds for every test."""

import decimal

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give every test the common decimal context: third-party clients change it for good."""
    decimal.setcontext(decimal.Context())
