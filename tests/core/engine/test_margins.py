from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any

import msgspec

from core.engine.clock import SimClock
from core.engine.margins import AGAIN_NS, FRESH_NS, REFUSED_NS, MarginKeeper
from core.model.errors import ClxError, ConfigError, DataError, TemporaryError
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.tiers import MarginTiers, TierBook, flat


class Teller:
    """A venue that says what it is told to."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.error: ClxError | None = None

    async def tiers(self, instruments: Collection[Instrument]) -> list[MarginTiers]:
        self.asked.append([item.venue_symbol for item in instruments])
        if self.error is not None:
            raise self.error
        return [flat(item.id, Decimal("0.01"), "x") for item in instruments if item.base != "NONE"]


class Floor:
    def __init__(self, btc: Instrument) -> None:
        self.book, self.clock = TierBook(), SimClock(10**18)
        self.account, self.feed = Teller(), Teller()
        self.alerts: list[str] = []
        self.learned = 0
        self.items = [self.perp(btc, "BTC"), btc]
        self.keeper = MarginKeeper(
            self.book, lambda: self.items, {VenueName("binance"): [self.account, self.feed]},
            clock=self.clock, told=lambda _, text: self.alerts.append(text), learned=self.learn,
        )  # fmt: skip

    @staticmethod
    def perp(btc: Instrument, base: str) -> Instrument:
        return msgspec.structs.replace(
            btc, id=f"{base}-PERP.binance", venue_symbol=base, base=base,
            kind=InstrumentKind.PERPETUAL,
        )  # fmt: skip

    def learn(self) -> None:
        self.learned += 1


async def test_contracts_are_asked_about_once_and_again_when_they_are_old(btc: Any) -> None:
    floor = Floor(btc)
    floor.items.append(floor.perp(btc, "NONE"))
    for _ in range(3):
        await floor.keeper.look()
    assert floor.account.asked == [["BTC", "NONE"]]
    known = floor.book.of(floor.items[0].id)
    assert known is not None
    assert known.ts_ns == floor.clock.now_ns()
    floor.clock.set(floor.clock.now_ns() + FRESH_NS)
    await floor.keeper.look()
    assert len(floor.account.asked) == 2
    assert (floor.feed.asked, floor.learned, floor.alerts) == ([], 2, [])


async def test_the_next_is_asked_where_an_account_cannot_say(btc: Any) -> None:
    floor = Floor(btc)
    floor.account.error = ConfigError("no key")
    await floor.keeper.look()
    assert floor.feed.asked == [["BTC"]]
    assert floor.book.of(floor.items[0].id) is not None


async def test_a_venue_that_is_away_is_left_alone_for_a_minute(btc: Any) -> None:
    floor = Floor(btc)
    floor.account.error = TemporaryError("away")
    floor.feed.error = ConfigError("tells none")
    await floor.keeper.look()
    await floor.keeper.look()
    assert len(floor.account.asked) == 1
    floor.clock.set(floor.clock.now_ns() + AGAIN_NS)
    await floor.keeper.look()
    assert len(floor.account.asked) == 2
    assert floor.alerts == []


async def test_an_answer_that_is_none_is_told_once_an_hour(btc: Any) -> None:
    floor = Floor(btc)
    floor.account.error = floor.feed.error = DataError("tiers of X: was nonsense")
    await floor.keeper.look()
    floor.clock.set(floor.clock.now_ns() + AGAIN_NS)
    await floor.keeper.look()
    assert floor.alerts == ["tiers of X: was nonsense; margin of binance is not by its tiers"]
    floor.clock.set(floor.clock.now_ns() + REFUSED_NS)
    await floor.keeper.look()
    assert len(floor.alerts) == 2
