from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderIntent, OrderType, PositionSide
from core.venues.margin import Margin, Terms
from core.venues.wallet import Wallet

NET, LONG, SHORT = PositionSide.NET, PositionSide.LONG, PositionSide.SHORT
LINEAR = Instrument(
    id=InstrumentId("BTC-USDT-PERP.x"), venue=VenueName("x"), venue_symbol="BTCUSDT",
    base="BTC", quote="USDT", kind=InstrumentKind.PERPETUAL, settle="USDT",
    price_tick=Decimal("0.1"), size_lot=Decimal("0.001"),
)  # fmt: skip
INVERSE = Instrument(
    id=InstrumentId("BTC-USD-PERP.x"), venue=VenueName("x"), venue_symbol="BTCUSD",
    base="BTC", quote="USD", kind=InstrumentKind.PERPETUAL, settle="BTC", inverse=True,
    price_tick=Decimal("0.5"), size_lot=Decimal(1), contract_size=Decimal(1),
)  # fmt: skip


def margin(money: str, asset: str = "USDT", leverage: str = "10", kept: str = "0.01") -> Margin:
    terms = Terms(Decimal(leverage), Decimal(kept), Decimal("0.0125"))
    wallet = Wallet(VenueName("x"), {asset: Decimal(money)})
    return Margin(wallet, lambda _: terms, lambda _: None)


def order(side: Side, leg: PositionSide = NET, *, reduce_only: bool = False) -> OrderIntent:
    return OrderIntent(
        client_order_id=ClientOrderId("o"), instrument_id=LINEAR.id, side=side,
        type=OrderType.LIMIT, size=Decimal(1), price=Decimal(1), position_side=leg,
        reduce_only=reduce_only, origin="cli",
    )  # fmt: skip


def test_linear_worked_example() -> None:
    # 0.1 BTC at 30,000 with 10x needs 300; at 28,000 it has lost 200 and 100 of 300 are left, more
    # than the maintenance margin; at 26,000 less than nothing is left (Flipster, "Margin Trading
    # Explained", which counts the 1 % of maintenance on the entry where venues count on the mark).
    made = margin("300")
    made.marks[LINEAR.id] = Decimal(30_000)
    made.trade(LINEAR, NET, Decimal("0.1"), Decimal(30_000))
    assert made.initial("USDT") == 300
    assert made.available("USDT") == 0
    made.marks[LINEAR.id] = Decimal(28_000)
    assert made.equity("USDT") == 100
    assert made.maintenance("USDT") == 28
    made.marks[LINEAR.id] = Decimal(26_000)
    assert made.equity("USDT") == -100 < made.maintenance("USDT")


def test_inverse_worked_example() -> None:
    # Bybit, "P&L calculations (Inverse Contracts)": 10,000 contracts of 1 USD bought at 8,000 are
    # 1.25 BTC; sold at 12,500 they are 0.8 BTC, a profit of 0.45 BTC.
    made = margin("1", "BTC")
    made.marks[INVERSE.id] = Decimal(8_000)
    made.trade(INVERSE, NET, Decimal(10_000), Decimal(8_000))
    assert made.initial("BTC") == Decimal("0.125")
    made.marks[INVERSE.id] = Decimal(12_500)
    assert made.equity("BTC") == Decimal("1.45")
    assert made.trade(INVERSE, NET, Decimal(-10_000), Decimal(12_500)) == Decimal("0.45")


def test_inverse_short_loses_half_when_the_price_doubles() -> None:
    # BingX, "PnL of Coin-Margined Standard Futures": 10 BTC short at 1x, 100 to 200: -50 %.
    made = margin("10", "BTC", "1")
    made.trade(INVERSE, NET, Decimal(-1_000), Decimal(100))
    made.marks[INVERSE.id] = Decimal(200)
    assert made.equity("BTC") == 5


@pytest.mark.parametrize("instrument", [LINEAR, INVERSE], ids=["linear", "inverse"])
@given(
    size=st.integers(-400, 400).filter(bool),
    entry=st.integers(5_000, 90_000),
    mark=st.integers(5_000, 90_000),
)
@settings(max_examples=40, deadline=None)
def test_at_its_liquidation_price_the_equity_is_the_maintenance_margin(
    instrument: Instrument, size: int, entry: int, mark: int
) -> None:
    asset = instrument.pays_in
    made = margin("1000" if asset == "USDT" else "0.01", asset)
    lots = Decimal(size) * (instrument.size_lot if asset == "USDT" else 100)
    made.trade(instrument, NET, lots, Decimal(entry))
    made.marks[instrument.id] = Decimal(mark)
    (held,) = made.open(asset)
    price = made.liquidation_price(held)
    if price is None:
        for each in ("0.5", "50", "5000", "500000", "50000000"):
            made.marks[instrument.id] = Decimal(each)
            assert made.equity(asset) >= made.maintenance(asset)
        return
    step = instrument.price_tick
    made.marks[instrument.id] = price + step
    above = made.equity(asset) - made.maintenance(asset)
    made.marks[instrument.id] = max(step / 100, price - step)
    below = made.equity(asset) - made.maintenance(asset)
    assert above * below <= 0
    assert (above > below) is (lots > 0)


def test_orders_of_both_sides_need_the_margin_of_the_larger_one() -> None:
    made = margin("1000")
    made.marks[LINEAR.id] = Decimal(100)
    made.trade(LINEAR, NET, Decimal(10), Decimal(100))
    made.hold(order(Side.BUY), LINEAR, Decimal(5), Decimal(90), 1)
    made.hold(order(Side.SELL), LINEAR, Decimal(12), Decimal(110), 1)
    # 1000 held + 450 to buy against 1320 - 1000 to sell: (1000 + 450) / 10.
    assert made.initial("USDT") == 145
    made.hold(order(Side.SELL), LINEAR, Decimal(20), Decimal(110), 1)
    assert made.initial("USDT") == 252
    made.hold(order(Side.SELL), LINEAR, Decimal(20), Decimal(110), -1)
    made.hold(order(Side.SELL), LINEAR, Decimal(12), Decimal(110), -1)
    made.hold(order(Side.BUY), LINEAR, Decimal(5), Decimal(90), -1)
    assert made.initial("USDT") == 100


def test_closing_needs_nothing_even_without_money() -> None:
    made = margin("10")
    made.marks[LINEAR.id] = Decimal(100)
    made.trade(LINEAR, NET, Decimal(1), Decimal(150))
    parts = [(Decimal(90), Decimal(1))]
    assert made.shortfall(order(Side.SELL), LINEAR, parts, Decimal(1)) == ""
    assert "available are -50" in made.shortfall(order(Side.BUY), LINEAR, parts, Decimal(1))


def test_what_is_paid_above_the_mark_must_be_there_too() -> None:
    made = margin("100")
    made.marks[LINEAR.id] = Decimal(100)
    parts = [(Decimal(110), Decimal(5))]
    # 550 / 10 of margin, 50 lost at once, 1 of fee.
    words = made.shortfall(order(Side.BUY), LINEAR, parts, Decimal(1))
    assert words == "needs 106 USDT at 10x, available are 100"


def test_sides_held_apart_need_margin_each_and_close_alone() -> None:
    made = margin("1000")
    made.marks[LINEAR.id] = Decimal(100)
    made.trade(LINEAR, LONG, Decimal(2), Decimal(100))
    made.trade(LINEAR, SHORT, Decimal(-3), Decimal(100))
    assert made.initial("USDT") == 50
    assert made.maintenance("USDT") == 5
    made.hold(order(Side.SELL, LONG), LINEAR, Decimal(50), Decimal(100), 1)
    assert made.initial("USDT") == 50
    made.marks[LINEAR.id] = Decimal(110)
    assert made.equity("USDT") == 1000 + 20 - 30
