"""What an engine would answer about orders before, during and after their life."""

from decimal import Decimal

from fake_market import BTC, NOW_NS

from core.model.accounts import EntryKind, LedgerEntry
from core.model.amounts import Unit, parse_amount
from core.model.commands import PreviewOrder
from core.model.inspection import (
    EquityPoint,
    Exposure,
    LifeStep,
    OrderLife,
    OrderPreview,
    PnlLine,
    PortfolioView,
)
from core.model.orders import Order

_STEP = Decimal("0.00001")


def preview(ask: PreviewOrder, equity: Decimal) -> OrderPreview:
    """Work an order out at its price, or at 64,000."""
    amount = parse_amount(ask.amount)
    price = ask.price or ask.trigger_price or Decimal(64_000)
    stop = ask.stop_price
    match amount.unit:
        case Unit.QUANTITY:
            size = amount.value
        case Unit.NOTIONAL:
            size = (amount.value / price).quantize(_STEP)
        case Unit.EQUITY:
            size = (equity * amount.value / 100 / price).quantize(_STEP)
        case _:
            assert stop is not None
            size = (equity * amount.value / 100 / abs(price - stop)).quantize(_STEP)
    risk = abs(price - stop) * size if stop is not None else None
    target = ask.target_price
    return OrderPreview(
        size=size,
        price=price,
        price_from="price" if ask.price is not None else "book",
        asset="USDT",
        cost=size * price,
        of_equity_pct=(size * price / equity * 100).quantize(Decimal("0.01")),
        fee=size * price / 1000,
        fee_bps=Decimal(10),
        position=size * ask.side.sign,
        average_price=price,
        stop=stop,
        risk=risk,
        risk_pct=(risk / equity * 100).quantize(Decimal("0.01")) if risk is not None else None,
        reward=abs(target - price) * size if target is not None else None,
    )


def life(order: Order) -> OrderLife:
    """Tell a short life: sent, accepted, filled in part, cancelled in vain."""
    told = (
        (0, 11, "intent", "BUY 0.5 BTC-USDT.binance limit @ 64180, by tui: by hand"),
        (0, 11, "checks", "all passed: an entry worth 32,090.00 USDT; durable in the journal"),
        (3, 0, "sent", "POST /api/v3/order?symbol=BTCUSDT&side=BUY&newClientOrderId=" + "x" * 120),
        (9, 0, "answer", 'status 200 after 6.01 ms: {"symbol":"BTCUSDT","orderId":28}'),
        (10, 12, "accepted", "the venue has it as 28"),
        (900, 13, "fill", "0.2 @ 64180, fee 0.0002 BTC, maker, execution 77"),
        (950, 14, "cancel refused", "code -2011: Unknown order sent."),
    )
    steps = tuple(
        LifeStep(ts_ns=NOW_NS + ms * 1_000_000, seq=seq, what=what, text=text)
        for ms, seq, what, text in told
    )
    return OrderLife(order=order, steps=steps, wire="bytes since the engine's start")


def portfolio() -> PortfolioView:
    """Return an account that gained a little in an hour."""
    points = tuple(
        EquityPoint(
            NOW_NS + minute * 60_000_000_000,
            Decimal(100_000 + minute * minute % 97),
            Decimal(minute),
        )
        for minute in range(61)
    )
    lines = (
        PnlLine(name="rsi-14", realised=Decimal("124.5"), total=Decimal("120.25"), fills=6),
        PnlLine(name="by hand (tui)", unrealised=Decimal(-20), total=Decimal("-22.1"), fills=2),
    )
    return PortfolioView(
        asset="USDT",
        equity=Decimal("100124.5"),
        day_pnl=Decimal("98.15"),
        total_pnl=Decimal("124.5"),
        gross=Decimal(32_000),
        net=Decimal(-8_000),
        points=points,
        exposure=(
            Exposure(
                name="BTC",
                venue="binance",
                size=Decimal("0.5"),
                value=Decimal("32000.00"),
                of_equity_pct=Decimal("31.96"),
            ),
            Exposure(name="XYZ", venue="binance", size=Decimal(7), value=None),
        ),
        by_instrument=(PnlLine(name=BTC, total=Decimal("98.15"), fills=8),),
        by_strategy=lines,
        by_day=(PnlLine(name="2026-11-21", total=Decimal("98.15")),),
    )


def ledger() -> tuple[LedgerEntry, ...]:
    """Return the legs of one fill."""
    legs = (
        ("venue:binance", "BTC", "0.2"),
        (f"trading:{BTC}", "BTC", "-0.2"),
        ("venue:binance", "USDT", "-12836"),
        (f"trading:{BTC}", "USDT", "12836"),
    )
    return tuple(
        LedgerEntry(
            transaction=7,
            kind=EntryKind.TRADE,
            account=account,
            asset=asset,
            amount=Decimal(amount),
            ts_ns=NOW_NS,
            ref="clxt-1 77",
        )
        for account, asset, amount in legs
    )
