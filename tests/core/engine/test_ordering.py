from decimal import Decimal
from typing import Any

import pytest

from core.engine.handlers import execute
from core.model.commands import Request, parse_command
from core.model.errors import ConfigError
from core.model.ids import VenueName
from core.model.orders import Link, OrderState, OrderType, Role

BTC = "BTC-USDT.binance"


@pytest.fixture
def traded(desk: Any, tape: Any) -> Any:
    """A desk whose market is live, and a way to ask it by name."""
    run = desk()
    run.play(tape(seed=1, seconds=3.0))
    return run


def ask(run: Any, name: str, **args: Any) -> Any:
    command = parse_command(name, {"instrument": BTC, **args})
    return execute(run.kernel, Request(command=command, origin="cli"))


def market(run: Any) -> Decimal:
    top = run.kernel.market.top(BTC)
    assert top is not None
    price: Decimal = run.kernel.listing.instrument(BTC).price(top[0])
    return price


def test_a_bracket_becomes_an_entry_with_children_that_wait(traded: Any) -> None:
    price = market(traded)
    report = ask(
        traded, "submit_bracket", client_order_id="clxc-1", side="buy", size="0.01",
        price=str(price), stop_price=str(price - 100), target_price=str(price + 100),
    )  # fmt: skip
    entry, stop, target = report.orders
    assert [order.state for order in report.orders] == [
        OrderState.SUBMITTED, OrderState.HELD, OrderState.HELD,
    ]  # fmt: skip
    assert (stop.id, target.id) == ("clxc-1-s", "clxc-1-t")
    assert (stop.intent.type, stop.intent.side) == (OrderType.STOP, entry.intent.side.opposite)
    assert target.intent.price == price + 100
    assert {order.intent.link for order in report.orders} == {Link.BRACKET}
    assert stop.intent.reduce_only
    assert stop.intent.parent_id == target.intent.parent_id == entry.id


def test_a_bracket_without_a_target_is_an_oto_with_a_trailing_stop(traded: Any) -> None:
    report = ask(
        traded, "submit_bracket", client_order_id="clxc-1", side="buy", type="market",
        size="0.01", trail_pct="2",
    )  # fmt: skip
    entry, stop = report.orders
    assert stop.intent.type is OrderType.TRAILING_STOP
    assert entry.intent.link is Link.OTO


def test_an_oco_names_its_orders_after_the_group(traded: Any) -> None:
    price = market(traded)
    ask(traded, "submit_order", client_order_id="in", side="buy", type="market", size="0.01")
    traded.pump()
    report = ask(
        traded, "submit_oco", client_order_id="clxc-2", side="sell", size="0.01",
        stop_price=str(price - 100), target_price=str(price + 100),
    )  # fmt: skip
    stop, target = report.orders
    assert [stop.intent.role, target.intent.role] == [Role.STOP, Role.TARGET]
    assert [stop.state, target.state] == [OrderState.HELD, OrderState.SUBMITTED], stop.note
    assert stop.intent.reduce_only


def test_an_oco_may_sell_coins_that_no_fill_of_ours_brought(traded: Any) -> None:
    price = market(traded)
    traded.kernel.desk.set_balance(VenueName("paper"), "BTC", Decimal(2), "a deposit")
    report = ask(
        traded, "submit_oco", client_order_id="clxc-3", side="sell", size="0.01",
        stop_price=str(price - 100), target_price=str(price + 100),
    )  # fmt: skip
    stop, target = report.orders
    assert [stop.state, target.state] == [OrderState.HELD, OrderState.SUBMITTED], stop.note
    assert not target.intent.reduce_only
    far = ask(
        traded, "submit_oco", client_order_id="clxc-4", side="sell", size="50",
        stop_price=str(price - 100), target_price=str(price + 100),
    )  # fmt: skip
    assert far.orders[0].state is OrderState.DENIED


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "give a stop, a target or both"),
        ({"stop_price": "1", "trail": "1"}, "one of stop_price, trail and trail_pct"),
        ({"trail": "1", "stop_limit": "1"}, "only a stop with a stop_price"),
    ],
)
def test_a_bracket_that_makes_no_sense_says_why(
    traded: Any, args: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        ask(
            traded, "submit_bracket", client_order_id="b", side="buy", type="market", size="0.01",
            **args,
        )  # fmt: skip


@pytest.mark.parametrize("wrong", [{"stop_price": "1e6"}, {"target_price": "1"}])
def test_an_exit_on_the_wrong_side_is_refused(traded: Any, wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="of a buy it must be"):
        ask(
            traded, "submit_bracket", client_order_id="b", side="buy", type="market", size="0.01",
            **wrong,
        )  # fmt: skip


def test_a_far_target_goes_out_when_its_entry_fills(traded: Any) -> None:
    price = market(traded)
    ask(
        traded, "submit_bracket", client_order_id="b", side="buy", type="market", size="0.01",
        target_price=str(price * 2), stop_price=str(price - 500),
    )  # fmt: skip
    traded.pump()
    target = traded.kernel.desk.books.orders.get("b-t").order
    assert target.state is OrderState.ACCEPTED, target.note


def test_an_id_too_long_for_its_children_is_refused_before_anything_is_sent(traded: Any) -> None:
    with pytest.raises(ConfigError, match="client order id"):
        ask(
            traded, "submit_bracket", client_order_id="x" * 31, side="buy", type="market",
            size="0.01", trail="100",
        )  # fmt: skip
    assert not traded.kernel.desk.orders(include_ended=True)


def test_a_held_stop_fires_on_the_market_the_kernel_is_told(desk: Any, tape: Any) -> None:
    run = desk()
    frames = tape(seed=1, seconds=30.0)
    cut = len(frames) // 3
    run.play(frames[:cut])
    price = market(run)
    ask(run, "submit_order", client_order_id="in", side="buy", type="market", size="0.01")
    run.pump()
    trigger = str(price - Decimal("0.05"))
    order = ask(
        run, "submit_order", client_order_id="stop", side="sell", type="stop", size="0.01",
        trigger_price=trigger,
    ).order  # fmt: skip
    assert order.state is OrderState.HELD, order.note
    run.play(frames[cut:])
    run.pump()
    assert run.kernel.desk.books.orders.get("stop").order.state is OrderState.FILLED
    assert run.kernel.desk.guard.watched == {}


def test_quotes_are_told_while_a_trigger_is_held_and_only_left_after(
    desk: Any, tape_maker: Any
) -> None:
    run, maker = desk(), tape_maker(seed=1)
    run.play([*maker.opening(), *maker.frames(3.0)])

    def told() -> bool:
        before = run.kernel.line.events
        run.play([maker._stream("BTCUSDT", "bookTicker", maker._quote_body("BTCUSDT"))])
        return run.kernel.line.events > before

    assert not told()
    stop = {"type": "stop", "trigger_price": str(market(run) * 2), "reduce_only": False}
    ask(run, "submit_order", client_order_id="stop", side="buy", size="0.01", **stop)
    assert set(run.kernel.desk.guard.watched) == {BTC}
    assert told()
    ask(run, "cancel_all")
    assert not run.kernel.desk.guard.watched
    assert not told()


def test_cancel_all_can_be_rehearsed_and_narrowed(traded: Any) -> None:
    low = str((market(traded) * Decimal("0.97")).quantize(Decimal("0.01")))
    ask(traded, "submit_order", client_order_id="a", side="buy", size="0.01", price=low)
    traded.pump()
    tried = ask(traded, "cancel_all", dry_run=True)
    assert (tried.cancels, tried.dry_run) == (1, True)
    cancel = parse_command("cancel_order", {"client_order_id": "a", "dry_run": True})
    one = execute(traded.kernel, Request(command=cancel, origin="cli")).order
    assert (one.state, one.note) == (OrderState.ACCEPTED, "dry run: would be cancelled")
    assert ask(traded, "cancel_all", strategy="swing").cancels == 0
    with pytest.raises(ConfigError, match="unknown strategy 'swin'; did you mean 'swing'"):
        ask(traded, "cancel_all", strategy="swin")
    assert ask(traded, "cancel_all").cancels == 1


def test_an_executor_is_started_seen_and_stopped(traded: Any) -> None:
    view = ask(
        traded, "start_executor", executor_id="tw", kind="twap", side="buy", size="0.04",
        orders=4, seconds=30,
    )  # fmt: skip
    traded.pump()
    assert (view.sent, view.ended) == (1, "")
    (seen,) = execute(
        traded.kernel, Request(command=parse_command("get_executors", {}), origin="tui")
    )
    assert seen.filled == Decimal("0.01")
    stop = parse_command("stop_executor", {"executor_id": "tw"})
    assert execute(traded.kernel, Request(command=stop, origin="tui")).ended == "stopped by tui"


def test_the_end_of_an_id_is_enough_to_cancel_an_order(traded: Any) -> None:
    low = (market(traded) * Decimal("0.97")).quantize(Decimal("0.01"))
    ask(traded, "submit_order", client_order_id="clxt-a91f", side="buy", size="0.01", price=low)
    traded.pump()
    end = parse_command("cancel_order", {"client_order_id": "a91f"})
    gone = execute(traded.kernel, Request(command=end, origin="cli"))
    assert gone.order.id == "clxt-a91f"
    nobody = parse_command("cancel_order", {"client_order_id": "a92f"})
    with pytest.raises(ConfigError, match=r"no order 'a92f' is known.*`clx orders --all`"):
        execute(traded.kernel, Request(command=nobody, origin="cli"))


def test_flatten_cancels_and_closes_and_a_dry_run_only_counts(traded: Any) -> None:
    price = market(traded)
    ask(traded, "submit_order", client_order_id="in", side="buy", type="market", size="0.01")
    ask(
        traded, "submit_order", client_order_id="rest", side="buy", size="0.01",
        price=str(price - 100),
    )  # fmt: skip
    traded.pump()
    would = ask(traded, "flatten", dry_run=True)
    assert (would.instruments, would.cancels, would.positions) == ((BTC,), 1, 1)
    assert len(traded.kernel.desk.orders()) == 1
    ask(traded, "flatten")
    for _ in range(4):
        traded.pump()
        traded.kernel.on_timer(traded.clock.now_ns())
    assert not traded.kernel.desk.orders()
    assert not traded.kernel.desk.position(BTC).size


def test_a_dry_cancel_names_the_order_and_leaves_it(traded: Any) -> None:
    command = parse_command("cancel_order", {"client_order_id": "rest", "dry_run": True})
    price = market(traded) - 100
    ask(traded, "submit_order", client_order_id="rest", side="buy", size="0.01", price=str(price))
    traded.pump()
    report = execute(traded.kernel, Request(command=command, origin="cli"))
    assert report.order.id == "rest"
    assert [order.id for order in traded.kernel.desk.orders()] == ["rest"]
