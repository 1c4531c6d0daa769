"""What all decoders share: steps, and what is done with values finer than them."""

from __future__ import annotations

from typing import Any

import pytest

from core.feeds.levels import LevelReader, Shape, SidePlan
from core.feeds.steps import OffStep
from core.feeds.stream import StreamFeed
from core.model.errors import DataError


async def taught(toy: Any, toy_dialect: Any, toy_limits: Any) -> Any:
    dialect = toy_dialect(toy.url, limits=toy_limits)
    dialect.decoder.add_instruments(await dialect.listing())
    await dialect.close()
    return dialect.decoder


async def test_tape_is_read_exactly_or_not_at_all(
    toy: Any, toy_dialect: Any, toy_limits: Any
) -> None:
    decoder = await taught(toy, toy_dialect, toy_limits)
    known = decoder.of("AAA")
    with pytest.raises(OffStep):
        known.sizes["0.55"]
    with pytest.raises(OffStep):
        LevelReader().side(b'[["1.00","0.55"]]', SidePlan(known, Shape(0, 1)))


async def test_live_book_takes_an_order_older_than_the_present_lot(
    toy: Any, toy_dialect: Any, toy_limits: Any
) -> None:
    from core.engine.clock import SystemClock

    dialect = toy_dialect(toy.url, limits=toy_limits)
    import random

    feed = StreamFeed(dialect, clock=SystemClock(), rng=random.Random(1))
    await feed.instruments()
    known = feed.decoder.of("AAA")
    raw = b'[["1.00","0.57"],["1.01","0.004"],["1.02","0"],["1.03","2.5"]]'
    read = LevelReader().side(raw, SidePlan(known, Shape(0, 1)))
    assert read.tolist() == [[100, 6], [101, 1], [102, 0], [103, 25]]
    assert feed.decoder.rounded == {known.id: 2}
    with pytest.raises(OffStep):
        known.prices["1.001"]
    with pytest.raises(DataError):
        known.sizes["many"]
    await feed.close()
