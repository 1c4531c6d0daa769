"""A venue that is away for a moment is asked again, and no sooner than it wants."""

from __future__ import annotations

import asyncio
import random

import pytest

from core.history.asking import asked
from core.model.errors import DataError, RateLimited, TemporaryError


class Venue:
    """Fails in given ways, then answers; knows when it was asked."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.at_s: list[float] = []

    async def ask(self) -> str:
        self.at_s.append(asyncio.get_running_loop().time())
        if self.failures:
            raise self.failures.pop(0)
        return "bars"


async def test_answer_after_failures_is_the_answer_and_each_wait_is_told(
    quick: random.Random,
) -> None:
    venue, told = Venue(TemporaryError("away"), RateLimited("429", "slow down", 0.2)), []
    assert await asked(venue.ask, "x", rng=quick, waits=told.append) == "bars"
    assert [words.split(" (")[0] for words in told] == ["away", "slow down"]
    _, second, third = venue.at_s
    assert third - second >= 0.2, "the venue said when to come back"


async def test_venue_that_stays_away_is_asked_so_often_and_no_more(quick: random.Random) -> None:
    venue = Venue(*[TemporaryError("no such host")] * 9)
    with pytest.raises(TemporaryError, match="x: no such host; given up after 3 attempts"):
        await asked(venue.ask, "x", rng=quick, waits=lambda _: None, attempts=3)
    assert len(venue.at_s) == 3


async def test_answer_that_is_none_is_not_asked_for_again(quick: random.Random) -> None:
    venue = Venue(DataError("html instead of json"))
    with pytest.raises(DataError):
        await asked(venue.ask, "x", rng=quick, waits=lambda _: None)
    assert len(venue.at_s) == 1
