"""The crash matrix in one process and in lapsed time, hundreds of deaths in seconds.

Adapter, connections, emulator and journal file are the real ones; what a SIGKILL would take is
thrown away at the boundary. `test_crash_matrix` kills real processes, at fewer places.
"""

import logging
from collections.abc import Iterator

import pytest

from bench import crashes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    # The dead close nothing; what they leave is found whenever memory is cleared.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    # A venue whose client dies in the middle of an answer says so, hundreds of times.
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def test_engine_that_dies_at_any_boundary_of_any_order_ends_up_equal_to_the_venue() -> None:
    with crashes.scratch() as folder:
        played, matrix = crashes.lapsed(lambda: crashes.run(folder, every=6))
    assert not matrix.flaws, "\n".join(matrix.flaws)
    assert played >= 300
    assert matrix.deaths.total() >= played
    assert set(matrix.deaths) == KINDS | {"while it recovered"}


def test_venue_that_goes_away_at_any_boundary_ends_up_equal_to_the_engine() -> None:
    with crashes.scratch() as folder:
        played, matrix = crashes.lapsed(lambda: crashes.run(folder, every=25, cut=True))
    assert not matrix.flaws, "\n".join(matrix.flaws)
    assert played >= 60
    assert set(matrix.deaths) == KINDS


KINDS = {
    *("before journal", "after journal", "before projection", "after projection"),
    *("before bytes", "amid bytes", "after bytes", "before read", "after read", "before event"),
}
