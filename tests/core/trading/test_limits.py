"""Limits per scope: each one's refusal, the running sums behind them, and what a restart keeps."""

from decimal import Decimal
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.accounts import EntryKind, RiskState, VenuePosition
from core.model.facts import CashMoved, PeakReached
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderIntent, OrderState
from core.model.settings import LimitSettings
from core.trading.correlation import Correlations
from core.trading.exposure import Exposure
from core.trading.limits import Scope

D = Decimal
S = OrderState
BTC_ID, ETH_ID = "BTC-USDT.binance", "ETH-USDT.binance"
LOOSE = {"max_orders_per_second": 10_000, "max_messages_per_second": 10_000}


def limit(**limits: Any) -> LimitSettings:
    return LimitSettings.model_validate(limits)


def note(floor: Any, *args: Any, **fields: Any) -> str:
    order = floor.submit(*args, **fields)
    assert order.state is S.DENIED, order
    return str(order.note)


@pytest.mark.parametrize(
    ("kind", "name", "strategy"),
    [
        ("accounts", "binance", None),
        ("venues", "binance", None),
        ("instruments", BTC_ID, None),
        ("strategies", "rsi", "rsi"),
    ],
)
def test_every_scope_limits_its_own_orders_alone(
    floor: Any, kind: str, name: str, strategy: str | None
) -> None:
    floor.configure(**{kind: {name: limit(max_order_size=2)}})
    floor.open()
    denied = note(floor, "a", size="3", strategy_id=strategy)
    assert denied == f"risk.{kind}.{name}.max_order_size: 3 asked, 2 allowed"
    floor.configure(**{kind: {"other": limit(max_order_size=2)}})
    floor.open()
    assert floor.submit("b", size="3", strategy_id=strategy).state is S.SUBMITTED


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_position_size": 4}, "max_position_size: position could reach 5, 4 allowed"),
        ({"max_gross_exposure": 499}, "max_gross_exposure: exposure could reach 500.00 USDT, 499"),
        ({"max_net_exposure": 499}, "max_net_exposure: net exposure could reach 500.00 USDT, 499"),
        ({"max_correlated_exposure": 400}, "max_correlated_exposure: correlated exposure could"),
        ({"max_leverage": "0.0009"}, "max_leverage: leverage could reach 0.00 of 110000.00 USDT"),
    ],
)
def test_what_is_held_and_ordered_counts_together(
    floor: Any, limits: dict[str, Any], words: str
) -> None:
    floor.configure(instruments={BTC_ID: limit(**limits)})
    floor.open()
    if "max_leverage" not in limits:
        floor.hold("2")
        floor.submit("open", size="2", price="99.00")
    assert note(floor, "a", size="1").startswith(f"risk.instruments.{BTC_ID}.{words}")


def test_messages_count_cancels_too_and_never_stop_one(floor: Any) -> None:
    floor.configure(max_messages_per_second=3)
    floor.open()
    for name in ("a", "b"):
        floor.submit(name)
    floor.venue.deliver(floor.desk)
    floor.desk.cancel("a", "cli")
    denied = note(floor, "c")
    assert denied == "risk.max_messages_per_second: 3 messages in the last second, 3 allowed"
    floor.desk.cancel("b", "cli")
    assert floor.venue.cancels == ["a", "b"]


def test_an_order_that_would_meet_our_own_is_refused_and_an_exit_is_not(floor: Any) -> None:
    floor.open()
    floor.hold("2")
    floor.submit("ask", "sell", "1", "101.00")
    floor.venue.deliver(floor.desk)
    assert note(floor, "a", "buy", "1", "101.50").startswith(
        "risk.self_trade: it would trade with our own sell order at 101.00"
    )
    assert note(floor, "b", "buy", "1", None).startswith("risk.self_trade")
    assert floor.submit("c", "buy", "1", "100.50").state is S.SUBMITTED, "they do not meet"
    floor.venue.deliver(floor.desk)
    assert floor.submit("d", "sell", "1", "100.00").state is S.SUBMITTED, "an exit"
    floor.configure(instruments={BTC_ID: limit(self_trade="allow")})
    floor.open()
    assert floor.submit("e", "buy", "0.1", "101.00").state is S.SUBMITTED


def test_a_market_order_that_fills_before_our_own_does_not_meet_it(floor: Any) -> None:
    asked: list[tuple[Any, ...]] = []
    shown = 2_000

    def shown_lots(*question: Any) -> int:
        asked.append(question)
        return shown

    floor.marks.shown_lots = shown_lots
    floor.marks.closes = lambda _: ((), ())
    floor.marks.clock_offset_ns = lambda _: 0
    floor.configure(max_book_share_pct=None)
    floor.open()
    floor.hold("2")
    floor.submit("target", "sell", "1", "103.00")
    floor.venue.deliver(floor.desk)
    assert floor.submit("a", "buy", "1", None).state is S.SUBMITTED
    assert asked[-1] == (BTC_ID, "sell", 10_299, 2_000), "a tick short of ours, twice the size"
    floor.venue.deliver(floor.desk)
    shown = 1_999
    assert note(floor, "b", "buy", "1", None).startswith("risk.self_trade")


def test_confidence_is_asked_of_strategies_alone(floor: Any) -> None:
    floor.configure(min_confidence=0.6)
    floor.open()
    assert note(floor, "a", strategy_id="rsi", confidence=0.5) == (
        "risk.min_confidence: the strategy's confidence is 0.5, at least 0.6 is needed"
    )
    assert floor.submit("b", strategy_id="rsi", confidence=0.6).state is S.SUBMITTED
    assert floor.submit("c", confidence=0.1).state is S.SUBMITTED


def test_a_size_the_book_does_not_show_is_refused(floor: Any, btc: Instrument) -> None:
    floor.marks.shown_lots = lambda *_: 5_000
    floor.marks.closes = lambda _: ((), ())
    floor.marks.clock_offset_ns = lambda _: 0
    floor.configure(max_book_share_pct=D(50))
    floor.open()
    assert floor.submit("a", size="2.5").state is S.SUBMITTED
    assert note(floor, "b", size="2.6", price="99.00") == (
        "risk.max_book_share_pct: 2.6 asked, the book shows 5.000 within 5 %: 52 %, 50 % allowed"
    )


def test_a_clock_that_is_off_blocks_entries(floor: Any) -> None:
    floor.marks.shown_lots = lambda *_: None
    floor.marks.closes = lambda _: ((), ())
    floor.marks.clock_offset_ns = lambda _: -3_000_000_000
    floor.open()
    floor.hold("1")
    floor.clock.advance(1)
    floor.desk.on_timer(floor.clock.ns)
    assert note(floor, "a") == (
        "risk.max_clock_skew_ms: the clock of binance is 3000 ms off, 2000 allowed"
    )
    assert floor.submit("b", "sell", "1").state is S.SUBMITTED


def test_a_position_near_its_liquidation_lets_no_more_be_added(floor: Any, btc: Instrument) -> None:
    perp = msgspec.structs.replace(
        btc, id="BTC-USDT-PERP.binance", kind=InstrumentKind.PERPETUAL, settle="USDT"
    )
    floor.instruments[perp.id] = perp
    floor.marks.tops[perp.id] = (9999, 10001)
    floor.open()
    stated = VenuePosition(
        venue="binance", instrument_id=perp.id, size=D(3), average_price=D(100),
        liquidation_price=D(97), leverage=D(20),
    )  # fmt: skip
    floor.desk.set_position("binance", (perp.id, stated.side), stated, "test")
    floor.desk.books.account.state([stated])
    floor.clock.advance(1)
    floor.desk.on_timer(floor.clock.ns)
    assert note(floor, "a", instrument_id=perp.id) == (
        "risk.min_liquidation_pct: a position is 3.00 % from its liquidation, at least 5 % is "
        "allowed"
    )
    assert floor.submit("b", "sell", "3", instrument_id=perp.id).state is S.SUBMITTED


def test_limits_of_an_instrument_that_is_not_listed_are_told_of(floor: Any) -> None:
    floor.configure(instruments={"BTC-USDC.binance": limit(max_order_size=2)})
    desk = floor.open()
    for _ in range(2):
        floor.clock.advance(1)
        desk.on_timer(floor.clock.ns)
    told = [text for text in floor.alerts() if "risk.instruments" in text]
    assert len(told) == 1
    assert "BTC-USDC.binance: binance lists no such instrument" in told[0]
    assert "BTC-USDT.binance" in told[0], "the nearest name"


# -- losses ----------------------------------------------------------------------------------


def lose(floor: Any, number: int, price: str = "99.00") -> None:
    """A round trip that loses."""
    floor.hold("1", "100.00", f"in{number}")
    floor.submit(f"out{number}", "sell", "1", price)
    floor.venue.deliver(floor.desk)
    floor.venue.trade(f"out{number}", "1")
    floor.venue.deliver(floor.desk)


def test_losses_in_a_row_rest_entries_for_a_while_also_over_a_restart(floor: Any) -> None:
    floor.configure(instruments={BTC_ID: limit(max_loss_streak=2, cool_down_s=60)})
    floor.open()
    lose(floor, 1)
    assert floor.submit("between", size="0.1", price="95.00").state is S.SUBMITTED
    floor.desk.cancel("between", "cli")
    floor.venue.deliver(floor.desk)
    lose(floor, 2)
    rule = f"risk.instruments.{BTC_ID}.max_loss_streak: 2 losses in a row, 2 allowed"
    assert note(floor, "a").startswith(rule)
    floor.open()
    assert note(floor, "b").startswith(rule), "fills of the journal tell"
    floor.clock.advance(61)
    assert floor.submit("c").state is S.SUBMITTED


def test_a_strategys_losses_are_its_own(floor: Any) -> None:
    floor.configure(strategies={"rsi": limit(max_daily_loss=5)})
    floor.open()
    floor.desk.on_timer(floor.clock.ns)
    for name, side, price in (("in", "buy", "100.00"), ("out", "sell", "90.00")):
        floor.submit(name, side, "1", price, strategy_id="rsi")
        floor.venue.deliver(floor.desk)
        floor.venue.trade(name, "1")
        floor.venue.deliver(floor.desk)
    assert note(floor, "a", strategy_id="rsi") == (
        "risk.strategies.rsi.max_daily_loss: lost 10.19 today, allowed 5"
    )
    assert floor.submit("b").state is S.SUBMITTED
    floor.open()
    assert note(floor, "c", strategy_id="rsi").startswith("risk.strategies.rsi.max_daily_loss")


def test_a_drawdown_is_counted_from_the_peak_also_over_a_restart(
    floor: Any, btc: Instrument
) -> None:
    floor.configure(max_drawdown=D(50))
    desk = floor.open()
    desk.on_timer(floor.clock.ns)
    floor.hold("10")
    floor.marks.put(btc, "110.00")
    floor.clock.advance(61)
    desk.on_timer(floor.clock.ns)
    peaks = [record for _, record in floor.journal.read() if isinstance(record, PeakReached)]
    assert peaks[-1].profits[""] == D("99.0")
    desk = floor.open()
    floor.marks.put(btc, "105.00")
    assert note(floor, "a", price="105.00") == (
        "risk.max_drawdown: lost 50.00 since the peak, 50 allowed"
    )
    floor.clock.advance(1)
    desk.on_timer(floor.clock.ns)
    assert desk.risk_state() is RiskState.REDUCING
    desk.resume("cli")
    assert floor.submit("b", price="105.00", size="0.1").state is S.SUBMITTED, "counted anew"


def test_limits_are_told_with_their_scope(floor: Any) -> None:
    floor.configure(accounts={"binance": limit(max_open_orders=4, min_liquidation_pct=10)})
    desk = floor.open()
    floor.submit("a")
    uses = {item.rule: item for item in desk.limits()}
    mine = uses["risk.accounts.binance.max_open_orders"]
    assert (mine.used, mine.allowed, mine.scope, mine.share) == (1, 4, "accounts.binance", 0.25)
    far = uses["risk.accounts.binance.min_liquidation_pct"]
    assert (far.least, far.share) == (True, 0.1)
    assert uses["risk.max_open_orders"].scope == ""


# -- the sums --------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell"]),
        st.sampled_from([BTC_ID, ETH_ID]),
        st.decimals("0.1", "9", places=1),
        st.sampled_from([-1, 0, 1, None]),
        st.sampled_from([None, "rsi"]),
        st.sampled_from(["rest", "fill", "part", "cancel", "tick", "fee", "restart"]),
    ),
    min_size=1,
    max_size=20,
)
SCOPED = {
    "accounts": {"binance": limit(max_gross_exposure=900, max_correlated_exposure=1200)},
    "instruments": {BTC_ID: limit(max_position_size=6), ETH_ID: limit(max_net_exposure=70)},
    "strategies": {"rsi": limit(max_gross_exposure=500, max_position_notional=450)},
}


def sums(scope: Scope) -> tuple[Any, ...]:
    places = D("1e-12")
    return tuple(
        value.quantize(places)
        for value in (scope.gross, scope.long, scope.short, scope.pending, scope.pnl)
    )


@settings(max_examples=80, deadline=None)
@given(moves=STEPS)
def test_running_sums_are_what_working_them_out_anew_gives(
    new_floor: Any, btc: Instrument, eth: Instrument, moves: list[Any]
) -> None:
    floor = play(new_floor(), btc, eth, moves)
    books = floor.desk.books
    for name in (btc, eth):
        books.exposure.revalue(name)
    before = {scope.name: sums(scope) for scope in books.scopes}
    books.exposure.refresh()
    assert before == {scope.name: sums(scope) for scope in books.scopes}
    assert books.scopes.total.pnl == books.account.total_pnl()
    counts = {scope.name: scope.open_orders for scope in books.scopes}
    floor.open(ready=False)
    again = floor.desk.books
    assert counts == {scope.name: scope.open_orders for scope in again.scopes}
    assert before == {scope.name: sums(scope) for scope in again.scopes}, "a restart gives the same"


@settings(max_examples=80, deadline=None)
@given(moves=STEPS)
def test_no_sequence_of_accepted_orders_exceeds_a_limit(
    new_floor: Any, btc: Instrument, eth: Instrument, moves: list[Any]
) -> None:
    still = [move for move in moves if move[5] not in {"tick", "restart"}]
    play(new_floor(), btc, eth, still, check=assert_within)


@settings(max_examples=25, deadline=None)
@given(moves=STEPS)
def test_what_fits_at_first_sight_is_within_every_limit(
    new_floor: Any, btc: Instrument, eth: Instrument, moves: list[Any]
) -> None:
    probes = list(product(Side, (btc, eth), ("0.5", "4", "9"), (-50, 50), (None, "rsi")))
    fit: list[bool] = []

    def check(floor: Any) -> None:
        judge, exposure = floor.desk._gate.judge, floor.desk.books.exposure
        for scope in floor.desk.books.scopes:
            kept, scope.room = scope.least_room(), None
            assert scope.least_room() == kept, "what is kept is what working it out anew gives"
        for side, item, size, step, strategy in probes:
            intent = OrderIntent(
                client_order_id="probe", instrument_id=item.id, side=side, type="limit",
                size=D(size), price=item.price(floor.marks.tops[item.id][0] + step), origin="cli",
                strategy_id=strategy,
            )  # fmt: skip
            stack = floor.desk.books.scopes.stack(item.id, item.venue, strategy)
            unit = exposure.unit_worth(item, intent.price)
            fits = judge._fits(stack, intent, item.venue, unit, intent.size * unit)
            fit.append(fits)
            assert not fits or judge._scopes(stack, intent, item, item.venue, unit) is None

    play(new_floor(), btc, eth, moves, check=check)
    assert len(fit) == len(moves) * len(probes)


def assert_within(floor: Any) -> None:
    exposure: Exposure = floor.desk.books.exposure
    exposure.refresh()
    scopes = floor.desk.books.scopes
    slack = D("1.02")  # an order is valued at its own price, what it made at the market's
    assert scopes.accounts["binance"].gross <= 900 * slack
    account = scopes.accounts["binance"]
    assert account.norm + account.pending <= 1200 * slack
    assert max(scopes.instruments[ETH_ID].long, -scopes.instruments[ETH_ID].short) <= 70 * slack
    for line in scopes.instruments[BTC_ID].lines.get(BTC_ID, []):
        assert max(line.reach(Side.BUY), line.reach(Side.SELL)) <= 6
    if not floor.exited:  # what brings the position nearer to flat is nobody's entry
        assert scopes.strategies["rsi"].gross <= 500 * slack


def play(floor: Any, btc: Instrument, eth: Instrument, moves: list[Any], check: Any = None) -> Any:
    """Send orders, let some trade, move the market, start again; exits must always be let."""
    floor.configure(**LOOSE, **SCOPED)
    floor.open()
    floor.exited = False
    prices = {BTC_ID: 10_000, ETH_ID: 1_000}
    for number, (side, name, size, step, strategy, what) in enumerate(moves):
        item = btc if name == BTC_ID else eth
        price = None if step is None else str(item.price(prices[name] + step * 10))
        held = floor.desk.books.account.size(name)
        open_size = floor.desk.books.holds.open_size(name, Side(side))
        exits = held * Side(side).sign < 0 and size <= abs(held) - open_size
        floor.exited |= exits and strategy is not None
        order = floor.submit(
            f"o{number}", side, str(size), price, instrument_id=name, strategy_id=strategy
        )
        left = abs(held) - floor.desk.books.holds.open_size(name, Side(side))
        closes = held * Side(side).sign < 0 and size <= left
        assert order.state is not S.DENIED or not closes or "balance" in order.note, order.note
        floor.venue.deliver(floor.desk)
        theirs = floor.venue.orders_by_id.get(order.id)
        if theirs is not None and not theirs.state.terminal:
            if what in {"fill", "part"}:
                part = (
                    theirs.size if what == "fill" else item.size(item.floor_lots(theirs.size / 2))
                )
                if part:
                    floor.venue.trade(order.id, part)
            elif what == "cancel":
                floor.desk.cancel(order.id, "cli")
            floor.venue.deliver(floor.desk)
        if what == "fee":
            asset = item.base if floor.desk.books.account.size(name) > 0 else item.quote
            floor.desk.on_venue_event(
                CashMoved(
                    venue=item.venue, asset=asset, amount=D("-0.01"), kind=EntryKind.FEE,
                    flow_id=order.id, instrument_id=name, ts_event_ns=floor.clock.ns,
                    ts_ns=floor.clock.ns,
                )
            )  # fmt: skip
        if what == "tick":
            prices[name] += 7
            floor.marks.tops[name] = (prices[name] - 1, prices[name] + 1)
            floor.clock.advance(1)
            floor.desk.on_timer(floor.clock.ns)
        elif what == "restart":
            floor.open()
        if check is not None:
            check(floor)
    return floor


# -- correlation -----------------------------------------------------------------------------


class Bars:
    """Closed bars that move as they are told."""

    def __init__(self, **moves: list[int]) -> None:
        self.moves = moves

    def closes(self, name: str) -> tuple[list[int], list[int]]:
        closes = self.moves.get(name, [])
        return list(range(len(closes))), closes

    def shown_lots(self, *_: Any) -> None:
        return None

    def clock_offset_ns(self, _: str) -> int:
        return 0


UP = [1000 + (n * 37) % 91 for n in range(60)]
SAME = [price * 3 for price in UP]
AGAINST = [1_000_000 // price for price in UP]


def test_what_moves_together_adds_up_and_what_moves_against_is_a_hedge() -> None:
    norm = Correlations(Bars(a=UP, b=SAME, c=AGAINST)).norm
    assert norm({"a": D(300), "b": D(400)}) == pytest.approx(D(700), abs=D("0.001"))
    assert norm({"a": D(300), "b": D(-400)}) == pytest.approx(D(100), abs=D("0.001"))
    assert norm({"a": D(300), "c": D(300)}) < 10


def test_an_unknown_pair_is_never_a_hedge() -> None:
    norm = Correlations(Bars(a=UP, b=UP[:10])).norm
    assert norm({"a": D(300), "b": D(-400)}) == 700
    assert Correlations(None).norm({"a": D(300), "b": D(400)}) == 700
    assert norm({}) == 0
