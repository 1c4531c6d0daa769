"""The past read back at once, and the same events taken one after the other: the same state."""

import random
from decimal import Decimal
from typing import Any

import pytest

from core.model.facts import BalanceSet, JournalRecord
from core.model.ids import ClientOrderId, ExecutionId, StrategyId, VenueName, VenueOrderId
from core.model.market import Side
from core.model.orders import (
    AmendSubmitted,
    CancelRejected,
    CancelSubmitted,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderHeld,
    OrderIntent,
    OrderRejected,
    OrderReleased,
    OrderSubmitted,
    OrderType,
    OrderUnknown,
)
from core.model.settings import LimitSettings, RiskSettings
from core.trading.books import Books
from core.trading.orders import OrderCache
from core.trading.tracked import Tracked

D = Decimal
BINANCE = VenueName("binance")
RSI = StrategyId("rsi")


def intent(name: str, dice: random.Random) -> OrderIntent:
    """Return what some order wants."""
    return OrderIntent(
        client_order_id=ClientOrderId(name),
        instrument_id="BTC-USDT.binance",
        side=dice.choice(list(Side)),
        type=OrderType.LIMIT,
        size=D(dice.choice(("1", "0.50", "2"))),
        price=D("100.0"),
        origin="strat",
        strategy_id=dice.choice((RSI, None)),
    )


def begun(name: str, dice: random.Random, at: int) -> JournalRecord:
    """Return how an order begins: mostly it is sent."""
    wants = intent(name, dice)
    if dice.random() < 0.15:
        return OrderHeld(intent=wants, venue=BINANCE, waits="trigger", ts_ns=at)
    return OrderSubmitted(intent=wants, venue=BINANCE, ts_ns=at)


def event(name: str, first: Any, dice: random.Random, at: int, most: Any = 0) -> JournalRecord:
    """Return something that happens to an order; its end may count up to `most` as filled."""
    side = first.intent.side if dice.random() < 0.95 else first.intent.side.opposite
    number, size = dice.randrange(4), D(dice.choice(("0.5", "1", "0.25")))
    filled = min(D(most), dice.choice((D(-1), D(-1), D(0), D("0.5"), D("1.0"))))
    filled = None if filled < 0 else filled
    whole = {"client_order_id": ClientOrderId(name), "ts_ns": at}
    venue_id = VenueOrderId(f"v-{name}-{dice.randrange(2)}")
    kinds: list[tuple[int, JournalRecord]] = [
        (8, OrderAccepted(**whole, venue_order_id=venue_id, ts_event_ns=at)),
        (
            12,
            OrderFilled(
                **whole, venue=BINANCE, instrument_id="BTC-USDT.binance", venue_order_id=venue_id,
                execution_id=ExecutionId(f"{name}-{number}"), side=side, price=D(100 + at % 7),
                size=size, fee=D(dice.choice(("0", "0.1"))), fee_asset=dice.choice(("BTC", "USDT")),
                maker=True, ts_event_ns=at, inferred=dice.random() < 0.1,
            ),
        ),
        (3, OrderCanceled(**whole, ts_event_ns=at, filled=filled, reason="gone")),
        (2, OrderExpired(**whole, ts_event_ns=at, filled=filled, reason="")),
        (2, CancelSubmitted(**whole, origin=dice.choice(("cli", "engine")))),
        (1, CancelRejected(**whole, code="1", reason="too late")),
        (2, OrderUnknown(**whole, reason="no answer")),
        (1, OrderRejected(**whole, code="2", reason="no")),
        (1, OrderReleased(**whole, reason="touched", triggered=True)),
        (1, AmendSubmitted(**whole, origin="cli", size=D(3))),
        (1, OrderAmended(**whole, size=D(3), price=D(101), ts_event_ns=at)),
        (1, first),
        (1, BalanceSet(venue=BINANCE, asset="USDT", total=D(at), reason="said", ts_ns=at)),
    ]  # fmt: skip
    weights, records = zip(*kinds, strict=True)
    return dice.choices(records, weights)[0]


def journal(seed: int, most: int) -> list[JournalRecord]:
    """Return the records of 30 orders, a few of them at a time."""
    dice = random.Random(seed)
    records: list[JournalRecord] = []
    firsts: list[tuple[str, Any]] = []
    for at in range(1, 300):
        if len(firsts) < 30 and dice.random() < 0.15:
            name = f"o{len(firsts)}"
            firsts.append((name, begun(name, dice, at)))
            records.append(firsts[-1][1])
        elif firsts:
            late = dice.random() < 0.05
            of = dice.choice(firsts if late else firsts[-4:])
            records.append(event(*of, dice, at, most))
    return records


class NoMarket:
    """No market at all."""

    def top(self, instrument_id: Any) -> None:
        return None

    def last(self, instrument_id: Any) -> None:
        return None

    def trusted(self, instrument_id: Any) -> bool:
        return False

    def reference(self, instrument_id: Any) -> None:
        return None


def books(ended: int = 4) -> Books:
    """Return books that keep few ended orders in memory, and remember few names."""
    risk = RiskSettings(strategies={RSI: LimitSettings(max_loss_streak=3)})
    made = Books({}, NoMarket(), "USDT", D("0.001"), risk)
    made.orders = OrderCache(max_ended=ended, max_ids=40)
    return made


def seen(item: Tracked) -> tuple[object, ...]:
    """Return all there is of an order."""
    return tuple(getattr(item, name) for name in Tracked.__slots__)


def state(of: Books) -> tuple[object, ...]:
    """Return all that can be seen of books."""
    orders = of.orders
    return (
        [[seen(item) for item in items] for items in (orders.all(), orders.open(), orders.short())],
        of.ledger.entries(100),
        list(of.ledger.accounts()),
        list(of.account.positions()),
        list(of.fills),
        list(of.balances()),
        [(scope.streak, scope.open_orders, scope.last_loss_ns) for scope in of.scopes],
        {line.key: (line.size, line.buys, line.sells) for line in of.exposure.lines()},
        of.last_ts_ns,
        of.digest(),
    )


@pytest.mark.parametrize(("ended", "most"), [(4, 0), (1000, 1)], ids=["few", "all"])
@pytest.mark.parametrize("seed", range(12))
def test_the_past_read_back_at_once_makes_what_its_events_make_one_by_one(
    seed: int, ended: int, most: int
) -> None:
    # What an order lacks that gave way to others is counted until the next start, so it is one or
    # the other: orders that lack fills, or few in memory.
    records = journal(seed, most)
    slow, quick = books(ended), books(ended)
    for record in records:
        slow.project(record)

    quick.replay(enumerate(records, 1))

    assert state(quick) == state(slow)
    # What comes after is taken alike, so nothing that cannot be seen was left behind either.
    dice = random.Random(seed + 1)
    named = [(r.intent.client_order_id, r) for r in records if hasattr(r, "intent")]
    for at in range(300, 330):
        record = event(*dice.choice(named), dice, at, most)
        slow.project(record)
        quick.project(record)
    assert state(quick) == state(slow)


def test_fills_of_an_order_open_for_longer_than_names_are_remembered_are_booked() -> None:
    dice = random.Random(1)
    made = books()
    old = intent("old", dice)
    made.project(OrderSubmitted(intent=old, venue=BINANCE, ts_ns=1))
    for number in range(200):
        made.project(OrderSubmitted(intent=intent(f"n{number}", dice), venue=BINANCE, ts_ns=1))
    fill = OrderFilled(
        client_order_id=old.client_order_id, venue=BINANCE, instrument_id=old.instrument_id,
        venue_order_id=VenueOrderId("v"), execution_id=ExecutionId("e"), side=old.side,
        price=D(100), size=old.size, fee=D(0), fee_asset="USDT", maker=True, ts_event_ns=2, ts_ns=2,
    )  # fmt: skip

    assert made.orders.is_news(fill)
    made.project(fill)

    tracked = made.orders.get(old.client_order_id)
    assert tracked is not None
    assert tracked.order.filled == old.size
