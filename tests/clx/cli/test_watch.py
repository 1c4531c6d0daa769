from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from clx.cli.watch import _news
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import FeedStatus
from core.model.views import QuoteLine, View

NAME = InstrumentId("SOL-USDT.okx")
ITEM = Instrument(
    id=NAME, venue=VenueName("okx"), venue_symbol="SOL-USDT", base="SOL", quote="USDT",
    price_tick=Decimal("0.01"), size_lot=Decimal(1),
)  # fmt: skip


def line(bid: int, age_ms: int = 5) -> QuoteLine:
    return QuoteLine(
        instrument_id=NAME, bid_ticks=bid, ask_ticks=0, last_ticks=101, open_24h_ticks=0,
        high_24h_ticks=0, low_24h_ticks=0, volume_24h_lots=0, status=FeedStatus.LIVE,
        ts_event_ns=0, age_ms=age_ms,
    )  # fmt: skip


def link(quote: QuoteLine) -> Any:
    replica = SimpleNamespace(
        take_dirty=lambda: {"quotes"}, chart=None, quotes={NAME: quote}, instruments={NAME: ITEM}
    )
    return SimpleNamespace(replica=replica)


def test_quote_of_an_asked_instrument_is_printed_when_it_changes_and_not_as_it_ages() -> None:
    told: dict[InstrumentId, tuple[int, ...]] = {}
    view = View(quotes=(NAME,))
    said = [_news(link(each), view, told, "table") for each in
            (line(100), line(100, age_ms=900), line(99))]  # fmt: skip
    assert said == [
        ["SOL-USDT.okx  1.00  -  1.01  live  5 ms"],
        [],
        ["SOL-USDT.okx  0.99  -  1.01  live  5 ms"],
    ]
    assert _news(link(line(98)), View(quotes=()), told, "table") == []
