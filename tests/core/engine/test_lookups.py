"""What no listing has: found by name, each once, and asked again only when nobody answered."""

from __future__ import annotations

import asyncio
import contextlib
import random
from decimal import Decimal
from typing import Any

import pytest

from core.engine.lookups import LookUps, named
from core.model.commands import GetInstruments, GetQuotes, GetStatus
from core.model.errors import TemporaryError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind

CALL, PUT = InstrumentId("AAPL-USD-20261218-200-C.us"), InstrumentId("AAPL-USD-20261218-200-P.us")
US = VenueName("us")


def option(name: InstrumentId) -> Instrument:
    return Instrument(
        id=name, venue=US, venue_symbol=name, base="AAPL", quote="USD",
        kind=InstrumentKind.OPTION, price_tick=Decimal("0.01"), size_lot=Decimal(1),
    )  # fmt: skip


class Feed:
    """Has the call and not the put, and may be away."""

    def __init__(self) -> None:
        self.asked: list[InstrumentId] = []
        self.away = 0
        self.told = asyncio.Event()

    async def look_up(self, instrument_id: InstrumentId) -> list[Instrument]:
        self.asked.append(instrument_id)
        self.told.set()
        if self.away:
            self.away -= 1
            raise TemporaryError("us did not answer")
        return [option(instrument_id)] if instrument_id == CALL else []

    async def chain(self, underlying: str) -> list[Instrument]:
        return [option(CALL)]


class Bench:
    def __init__(self) -> None:
        self.feed = Feed()
        self.known: dict[InstrumentId, Instrument] = {}
        self.alerts: list[str] = []
        self.news = asyncio.Event()
        feeds: Any = {US: self.feed, VenueName("plain"): object()}
        self.lookups = LookUps(
            feeds,
            known=self.known.__contains__,
            learned=self.learn,
            told=lambda _, text: self.alerts.append(text),
            rng=random.Random(1),
        )

    def learn(self, found: list[Instrument]) -> None:
        self.known.update({item.id: item for item in found})
        self.news.set()


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_what_a_command_names_is_learned_before_it_is_carried_out(bench: Bench) -> None:
    await bench.lookups.bring([CALL, InstrumentId("X.plain"), InstrumentId("X.nowhere")])
    await bench.lookups.bring([CALL])
    assert list(bench.known) == [CALL]
    assert bench.feed.asked == [CALL]


async def test_nobody_answering_is_an_error_of_the_command(bench: Bench) -> None:
    bench.feed.away = 1
    with pytest.raises(TemporaryError, match="did not answer"):
        await bench.lookups.bring([CALL])


async def test_what_is_looked_at_is_asked_for_in_the_background(bench: Bench) -> None:
    bench.lookups.wish([PUT])
    bench.lookups.wish([CALL])
    task = asyncio.create_task(bench.lookups.run())
    async with asyncio.timeout(10):
        await bench.news.wait()
    assert list(bench.known) == [CALL]
    # The venue has no such put: no screen makes it be asked for again.
    bench.lookups.wish([PUT, CALL])
    await asyncio.sleep(0)
    assert bench.feed.asked == [PUT, CALL]
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def test_instruments_of_commands_are_found_whatever_the_field_is_called() -> None:
    assert named(GetQuotes(instruments=(CALL, PUT))) == [CALL, PUT]
    assert named(GetInstruments(names=(CALL,))) == [CALL]
    assert named(GetStatus()) == []
