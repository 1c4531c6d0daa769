from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from core.engine.clock import SimClock
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Quote, Side, Trade
from core.model.orders import OrderIntent, OrderType

BTC = InstrumentId("BTC-USDT.binance")


@pytest.fixture
def clock() -> SimClock:
    return SimClock(1_000_000_000)


@pytest.fixture
def instrument() -> Instrument:
    """Prices in whole units and sizes in tenths: ticks and lots are easy to read."""
    return Instrument(
        id=BTC,
        venue=VenueName("binance"),
        venue_symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        price_tick=Decimal("1"),
        size_lot=Decimal("0.1"),
        min_size=Decimal("0.1"),
        max_size=Decimal("1000"),
        min_notional=Decimal("10"),
    )


@pytest.fixture
def limit() -> Callable[..., OrderIntent]:
    """Make a limit order: side, price ticks, size lots."""
    count = 0

    def limit(side: str, price: int | None, lots: int, /, **changes: Any) -> OrderIntent:
        nonlocal count
        count += 1
        fields: dict[str, Any] = {
            "client_order_id": ClientOrderId(f"clxt-0000000001-{count:08d}"),
            "instrument_id": BTC,
            "side": Side(side),
            "type": OrderType.MARKET if price is None else OrderType.LIMIT,
            "size": lots * Decimal("0.1"),
            "price": None if price is None else Decimal(price),
            "origin": "tui",
        }
        return OrderIntent(**fields | changes)

    return limit


@pytest.fixture
def trade() -> Callable[..., Trade]:
    """Make a public trade of the next id: the taker's side, price ticks, size lots."""
    ids = count(1)

    def trade(taker: str, price: int, lots: int, ts_ns: int = 7) -> Trade:
        return Trade(BTC, ts_ns, ts_ns, price, lots, taker == "sell", next(ids))

    return trade


@pytest.fixture
def quote() -> Callable[..., Quote]:
    """Make a quote: bid ticks and lots, ask ticks and lots."""

    def quote(bid: int, bid_lots: int, ask: int, ask_lots: int) -> Quote:
        return Quote(BTC, 8, 8, bid, bid_lots, ask, ask_lots, 1)

    return quote
