"""What is wanted is fetched once, and nothing that ends meanwhile is forgotten."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.engine.listing import Listing
from core.engine.market import MarketState
from core.engine.wants import Wants
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import BookDelta, Timeframe
from core.model.ports import DEFAULT_TRAITS, BookTraits, Verdict

NAME = InstrumentId("BTC-USDT.x")
SERIES = (NAME, Timeframe.M1)
MIN = Timeframe.M1.ns
NOW = 20_000 * Timeframe.D1.ns


class Rule:
    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        return Verdict.APPLY

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        return Verdict.APPLY

    def traits(self, instrument: Instrument) -> BookTraits:
        return DEFAULT_TRAITS


@pytest.fixture
def asked() -> list[tuple[object, int, int]]:
    return []


@pytest.fixture
def wants(asked: list[tuple[object, int, int]]) -> Wants:
    item = Instrument(
        id=NAME, venue=VenueName("x"), venue_symbol="BTCUSDT", base="BTC", quote="USDT",
        price_tick=Decimal("0.01"), size_lot=Decimal("0.01"),
    )  # fmt: skip
    market, listing = MarketState([item], {VenueName("x"): Rule()}), Listing()
    listing.add([item])
    made = Wants(
        market, listing, {}, history_bars=100, follow=lambda outputs: None,
        load=lambda *asks: asked.append(asks),
    )  # fmt: skip
    made.want("test", [NAME], [SERIES])
    made.settle(NOW)
    asked.clear()
    return made


def test_bar_that_ends_before_its_history_has_come_is_fetched_after_it(
    wants: Wants, asked: list[tuple[object, int, int]]
) -> None:
    wants.refetch(SERIES, NOW, NOW + MIN)
    wants.refetch(SERIES, NOW + MIN, NOW + 2 * MIN)
    assert asked == [], "the history on its way must come first"
    assert wants.arrived(SERIES)
    assert asked == [(SERIES, NOW, NOW + 2 * MIN)]
    assert not wants.arrived(SERIES)


def test_bar_that_ends_later_is_fetched_at_once(
    wants: Wants, asked: list[tuple[object, int, int]]
) -> None:
    wants.arrived(SERIES)
    wants.refetch(SERIES, NOW, NOW + MIN)
    assert asked == [(SERIES, NOW, NOW + MIN)]


def test_series_nobody_asked_for_is_not_fetched(
    wants: Wants, asked: list[tuple[object, int, int]]
) -> None:
    wants.refetch((NAME, Timeframe.H1), NOW, NOW + MIN)
    assert asked == []
