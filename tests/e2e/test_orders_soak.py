"""A short life of orders under random faults, in lapsed time; the long form is in bench."""

import logging
from collections.abc import Iterator

import pytest

from bench import crashes, orders_soak
from bench.progress import Progress

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    # The dead close nothing; what they leave is found whenever memory is cleared.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def test_orders_under_random_faults_end_as_the_oracle_says() -> None:
    progress = Progress("")
    progress.plan(1_200)
    figures, flaws = crashes.lapsed(lambda: orders_soak.soak(progress, seed=11))
    assert not flaws, "\n".join(flaws)
    assert figures["orders"] >= 1_200
    assert figures["faults"] > 50
    assert figures["comparisons"] >= 9
