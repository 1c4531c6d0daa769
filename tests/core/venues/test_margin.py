from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderIntent, OrderType, PositionSide
from core.model.tiers import MarginTiers, Tier, flat
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


def margin(
    money: str,
    asset: str = "USDT",
    leverage: str = "10",
    kept: str = "0.01",
    tiers: MarginTiers | None = None,
) -> Margin:
    tiers = tiers or flat(LINEAR.id, Decimal(kept), "us")
    terms = Terms(Decimal(leverage), tiers, Decimal("0.0125"))
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


BRACKETS = (
    Tier(up_to=Decimal(5_000), rate=Decimal("0.004"), max_leverage=Decimal(125)),
    Tier(
        up_to=Decimal(25_000), rate=Decimal("0.01"), deduction=Decimal(30), max_leverage=Decimal(20)
    ),
    Tier(
        up_to=Decimal(900_000), rate=Decimal("0.05"), deduction=Decimal(1_030),
        max_leverage=Decimal(5),
    ),
)  # fmt: skip


def tiered(instrument: Instrument, kind: str) -> MarginTiers:
    scale = Decimal("0.0001") if instrument.inverse else Decimal(1)
    tiers = tuple(
        Tier(
            up_to=tier.up_to * scale if tier.up_to else None,
            rate=tier.rate,
            deduction=tier.deduction * scale if kind == "smooth" else Decimal(0),
            max_leverage=tier.max_leverage,
        )
        for tier in BRACKETS
    )
    growth = Decimal("0.0005") if kind == "growing" else Decimal(0)
    if kind == "growing":
        tiers = (Tier(up_to=None, rate=Decimal("0.01")),)
    return MarginTiers(
        instrument_id=instrument.id,
        measure="contracts" if kind == "contracts" else "worth",
        tiers=tiers,
        growth=growth,
        said="x",
    )


@pytest.mark.parametrize("kind", ["smooth", "steps", "contracts", "growing"])
@pytest.mark.parametrize("instrument", [LINEAR, INVERSE], ids=["linear", "inverse"])
@given(
    size=st.integers(-900, 900).filter(bool),
    entry=st.integers(5_000, 90_000),
    money=st.integers(1, 40_000),
)
@settings(max_examples=30, deadline=None)
def test_with_tiers_the_account_is_closed_first_at_its_liquidation_price(
    kind: str, instrument: Instrument, size: int, entry: int, money: int
) -> None:
    asset = instrument.pays_in
    funds = str(money) if asset == "USDT" else str(Decimal(money) / 10_000)
    made = margin(funds, asset, tiers=tiered(instrument, kind))
    lots = Decimal(size) * (instrument.size_lot if asset == "USDT" else 100)
    made.trade(instrument, NET, lots, Decimal(entry))

    def left(price: Decimal) -> Decimal:
        made.marks[instrument.id] = price
        return made.equity(asset) - made.maintenance(asset)

    if left(Decimal(entry)) <= 0:
        return
    (held,) = made.open(asset)
    price = made.liquidation_price(held)
    way = -1 if lots > 0 else 1
    if price is None:
        far = [Decimal(entry) * factor for factor in ([10, 10**4] if way > 0 else [1, 0])]
        assert all(left(at or Decimal("0.01")) >= 0 for at in far)
        return
    step = instrument.price_tick
    assert (price - entry) * way >= -step
    assert left(max(step / 100, price + way * step)) <= 0
    for part in range(1, 10):
        between = entry + (price - way * step - entry) * part / 10
        if (price - between) * way > step:
            assert left(between) >= 0


def test_a_large_position_needs_the_margin_of_its_tier_and_has_an_end() -> None:
    made = margin("1000000", tiers=tiered(LINEAR, "smooth"))
    made.marks[LINEAR.id] = Decimal(30_000)
    made.trade(LINEAR, NET, Decimal("0.8"), Decimal(30_000))
    # 24,000 at 10x; the tier would allow 20x.
    assert made.initial("USDT") == 2_400
    made.trade(LINEAR, NET, Decimal("9.2"), Decimal(30_000))
    # 300,000 are in the tier of 5x.
    assert made.initial("USDT") == 60_000
    assert made.maintenance("USDT") == 300_000 * Decimal("0.05") - 1_030
    more = [(Decimal(30_000), Decimal(21))]
    assert made.shortfall(order(Side.BUY), LINEAR, more, Decimal(0)) == (
        "a position of 930000 USDT is more than the 900000 of x"
    )
    assert made.shortfall(order(Side.SELL), LINEAR, more, Decimal(0)) == ""


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
