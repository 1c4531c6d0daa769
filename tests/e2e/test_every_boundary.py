"""The crash matrix in one process and in lapsed time, hundreds of deaths in seconds.

Adapter, connections, emulator and journal file are the real ones; what a SIGKILL would take is
thrown away at the boundary. `test_kills` kills real processes, at fewer places.
"""

import functools
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from bench import crashes
from bench.progress import Progress

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


def played_of(**share: Any) -> tuple[int, crashes.Matrix]:
    """Play a share of the matrix; return how many cases that were, and what came of them."""
    progress = Progress("")
    with crashes.scratch() as folder:
        work = functools.partial(crashes.play_all, folder, progress, **share)
        matrix = crashes.lapsed(work)
    return progress.played, matrix


def test_engine_that_dies_at_any_boundary_of_any_order_ends_up_equal_to_the_venue() -> None:
    played, matrix = played_of(every=30)
    assert not matrix.flaws, "\n".join(matrix.flaws)
    assert played >= 60
    assert matrix.deaths.total() >= played
    assert len(KINDS & set(matrix.deaths)) >= len(KINDS) - 2, "a share leaves out the rare ones"
    assert "while it recovered" in matrix.deaths


@pytest.mark.parametrize("site", ["binance_usdm-hedged", "okx", "deribit"])
def test_engine_that_dies_in_the_life_of_a_bracket_of_contracts_recovers(site: str) -> None:
    played, matrix = played_of(every=30, only="bracket/fill", site=site)
    assert not matrix.flaws, "\n".join(matrix.flaws)
    assert played >= 4
    assert matrix.deaths.total() >= played


@pytest.mark.parametrize("site", ["binance_usdm", "okx-hedged"])
def test_engine_that_dies_as_the_venue_ends_its_exits_protects_the_position(site: str) -> None:
    # Between the end that is written down and the stop in its stead there are four places to die.
    played, matrix = played_of(every=4, only="bracket/lose", site=site)
    assert not matrix.flaws, "\n".join(matrix.flaws)
    assert played >= 15
    assert matrix.deaths.total() >= played


def test_venue_that_goes_away_at_any_boundary_ends_up_equal_to_the_engine() -> None:
    played, matrix = played_of(every=12, only="fill", cut=True)
    assert not matrix.flaws, "\n".join(matrix.flaws)
    assert played >= 30
    assert len(KINDS & set(matrix.deaths)) >= len(KINDS) - 2


KINDS = {
    *("before journal", "after journal", "before projection", "after projection"),
    *("before bytes", "amid bytes", "after bytes", "before read", "after read", "before event"),
}
