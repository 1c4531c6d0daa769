from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.engine.handlers import HANDLERS, execute
from core.model.commands import (
    COMMANDS,
    Arm,
    DisableStrategy,
    Disarm,
    EnableStrategy,
    Request,
    SubmitOrder,
)
from core.model.errors import ConfigError, StoreError
from core.model.ids import ClientOrderId, StrategyId
from core.model.market import FeedStatus, Side, Timeframe
from core.model.orders import OrderState
from core.model.signals import BarInput, FillInput, HoldingInput, StrategyCancel, StrategyFailed
from core.model.views import (
    AlertRaised,
    FeedChanged,
    FillAdded,
    ModelChanged,
    OrderChanged,
    SignalRaised,
    StrategyChanged,
    View,
)
from link.replica import Replica

SWING = StrategyId("swing")


def do(desk: Any, command: Any, origin: str = "cli") -> Any:
    result = execute(desk.kernel, Request(command=command, origin=origin))  # type: ignore[arg-type]
    desk.pump()
    return result


def test_every_command_of_the_table_has_a_handler_and_no_other() -> None:
    assert HANDLERS.keys() == COMMANDS.keys()


def test_same_tape_gives_the_same_orders_and_state_byte_for_byte(desk: Any, tape: Any) -> None:
    prints = []
    for _ in range(2):
        run = desk()
        do(run, EnableStrategy(strategy=SWING))
        run.play(tape(seed=1))
        assert len(run.journal.of("submitted")) > 10
        assert len(run.journal.of("filled")) == len(run.journal.of("submitted"))
        prints.append((run.fingerprint(), [fact for _, fact in run.facts if _timeless(fact)]))
    assert prints[0] == prints[1]


def _timeless(fact: Any) -> bool:
    return type(fact).__name__ != "StatusChanged"


def test_another_tape_or_setting_gives_another_fingerprint(
    desk: Any, tape: Any, swing: Any
) -> None:
    prints = set()
    for seed, size in ((1, "0.01"), (2, "0.01"), (1, "0.02")):
        run = desk(runner=swing(size))
        do(run, EnableStrategy(strategy=SWING))
        run.play(tape(seed=seed, seconds=20))
        prints.add(run.fingerprint()[1])
    assert len(prints) == 3


def test_state_after_a_restart_is_what_the_journal_says(desk: Any, tape: Any) -> None:
    first = desk()
    do(first, EnableStrategy(strategy=SWING))
    first.play(tape(seconds=30))
    second = desk(journal=first.journal, session="s2")
    assert second.kernel.desk.state_digest() == first.kernel.desk.state_digest()
    early = [seq for seq, _ in second.facts]
    assert early[0] > 1, "clients that were let in before start from a snapshot"
    before, after = first.kernel.proposals.views()[0], second.kernel.proposals.views()[0]
    assert before.realised_pnl == after.realised_pnl != 0
    second.kernel.enable_strategies()
    assert second.kernel.proposals.views()[0].enabled, "it was on when the engine stopped"


def test_strategy_trades_to_its_target_and_never_beyond(desk: Any, tape: Any) -> None:
    run = desk()
    do(run, EnableStrategy(strategy=SWING))
    sizes = set()
    for frame in tape(seconds=30):
        run.play([frame])
        sizes.add(run.kernel.desk.position(run.runner.info.instruments[0]).size)
    assert sizes == {Decimal(0), Decimal("0.01")}
    fills = [item for item in run.runner.seen if isinstance(item, FillInput)]
    assert len(fills) == len(run.told(FillAdded))
    assert {round(item.position, 8) for item in fills} == {0.0, 0.01}
    submitted = run.journal.of("submitted")
    assert [order["intent"].get("reduce_only", False) for order in submitted[:2]] == [False, True]
    assert submitted[0]["intent"]["client_order_id"].startswith("clxs-")
    assert "average" in submitted[0]["intent"]["reason"]
    view = run.told(StrategyChanged)[-1].strategy
    assert (view.orders, view.signals) == (len(submitted), len(run.told(SignalRaised)))


def test_strategy_sees_each_closed_bar_once_in_order_with_its_indicators(
    desk: Any, tape: Any
) -> None:
    run = desk()
    do(run, EnableStrategy(strategy=SWING))
    run.play(tape(seconds=20))
    bars = [item for item in run.runner.seen if isinstance(item, BarInput)]
    opens = [item.bar.ts_open_ns for item in bars]
    assert opens == sorted(set(opens))
    assert len(opens) > 10
    for before, at, item in zip(bars, bars[1:], bars[2:], strict=False):
        mean = (before.close + at.close + item.close) / 3
        assert item.indicators["sma(3)"] == pytest.approx(mean)


def test_disabled_strategy_is_told_nothing_and_its_words_are_void(desk: Any, tape: Any) -> None:
    run = desk()
    do(run, EnableStrategy(strategy=SWING))
    run.play(tape(seconds=10))
    view = do(run, DisableStrategy(strategy=SWING))
    assert (view.enabled, view.state) == (False, "off")
    seen, orders = len(run.runner.seen), len(run.journal.of("submitted"))
    maker = tape(seed=3, seconds=20)
    run.play(maker)
    run.kernel.on_strategy(SWING, StrategyFailed(strategy_id=SWING, reason="late words"))
    assert len(run.runner.seen) == seen
    assert len(run.journal.of("submitted")) == orders
    assert run.kernel.proposals.views()[0].state == "off"
    assert run.host.stopped == [SWING]


def test_failed_strategy_is_stopped_shown_and_journaled(desk: Any, tape: Any) -> None:
    run = desk()
    do(run, EnableStrategy(strategy=SWING))
    run.kernel.on_strategy(SWING, StrategyFailed(strategy_id=SWING, reason="used 600 MB of 512"))
    view = run.kernel.proposals.views()[0]
    assert (view.enabled, view.state) == (False, "failed: used 600 MB of 512")
    assert run.journal.of("strategy")[-1]["enabled"] is False
    assert run.told(AlertRaised)[-1].alert.text == "used 600 MB of 512"


def test_strategy_cannot_cancel_what_is_not_its_own(desk: Any, tape: Any) -> None:
    run = desk()
    run.play(tape(seconds=2))
    do(run, EnableStrategy(strategy=SWING))
    mine = SubmitOrder(
        client_order_id=ClientOrderId("mine"),
        instrument=run.runner.info.instruments[0],
        side=Side.BUY,
        size=Decimal("0.01"),
        price=Decimal("59000"),
    )
    assert do(run, mine).order.state is OrderState.SUBMITTED
    cancel = StrategyCancel(strategy_id=SWING, client_order_id=ClientOrderId("mine"))
    run.kernel.on_strategy(SWING, cancel)
    assert run.kernel.desk.orders()[0].state is OrderState.ACCEPTED
    assert "mine is not an order of swing" in run.told(AlertRaised)[-1].alert.text


def test_strategy_gets_its_history_before_the_first_live_bar(
    desk: Any, tape: Any, swing: Any
) -> None:
    run = desk(runner=swing(warmup_bars=5))
    run.host.answer_at_once = False
    run.play(tape(seconds=8))
    do(run, EnableStrategy(strategy=SWING))
    assert run.kernel.proposals.views()[0].state == "starting"
    assert run.runner.seen == []
    run.host.answer((run.runner.info.instruments[0], Timeframe.S1))
    assert run.kernel.proposals.views()[0].state == "running"
    assert [item.warmup for item in run.runner.seen] == [True] * 5
    assert run.runner.seen[-1].indicators["sma(3)"] == pytest.approx(
        sum(item.close for item in run.runner.seen[-3:]) / 3
    )
    assert not run.journal.of("submitted"), "history must not lead to orders"


def test_a_late_trade_is_told_as_a_revision_with_indicators_made_anew(
    desk: Any, tape_maker: Any
) -> None:
    run, maker = desk(), tape_maker(seed=1)
    do(run, EnableStrategy(strategy=SWING))
    run.play([*maker.opening(), *maker.frames(10)])
    bars = [item for item in run.runner.seen if isinstance(item, BarInput)]
    revised, after = bars[-3], bars[-2:]
    body = maker._trade_body("BTCUSDT")
    body["T"] = revised.bar.ts_open_ns // 1_000_000 + 999
    body["p"] = "61234.00"
    run.play([maker._stream("BTCUSDT", "trade", body)])
    late = run.runner.seen[-1]
    assert isinstance(late, BarInput)
    assert (late.bar.ts_open_ns, late.bar.revision) == (revised.bar.ts_open_ns, 1)
    assert (late.high, late.warmup) == (61234.0, False)
    earlier = bars[-5:-3]
    mean = sum(item.close for item in (*earlier, late)) / 3
    assert late.indicators["sma(3)"] == pytest.approx(mean)
    run.play(maker.frames(3))
    following = [item for item in run.runner.seen if isinstance(item, BarInput)]
    fresh = following[len(bars) + 1]
    assert fresh.bar.revision == 0
    mean = sum(item.close for item in (*after, fresh)) / 3
    assert fresh.indicators["sma(3)"] == pytest.approx(mean)


def test_a_strategy_started_again_is_told_what_it_holds_before_its_history(
    desk: Any, tape: Any, swing: Any
) -> None:
    run = desk()
    do(run, EnableStrategy(strategy=SWING))
    held = Decimal(0)
    for frame in tape(seconds=30):
        run.play([frame])
        held = run.kernel.desk.position(run.runner.info.instruments[0]).size
        if held:
            break
    assert not any(isinstance(item, HoldingInput) for item in run.runner.seen)
    again = desk(journal=run.journal, session="s2", runner=swing(warmup_bars=5))
    again.play(tape(seconds=8))
    do(again, EnableStrategy(strategy=SWING))
    first = again.runner.seen[0]
    assert isinstance(first, HoldingInput)
    assert (first.instrument_id, first.position) == (run.runner.info.instruments[0], held)
    rest = [item for item in again.runner.seen if isinstance(item, HoldingInput)]
    assert len(rest) == 1


def test_arming_without_a_time_lasts_as_long_as_the_settings_say(desk: Any, tape: Any) -> None:
    run = desk(settings={"trading": {"arm_seconds": 77}})
    run.play(tape(seconds=2))
    name = run.runner.info.instruments[0]
    for command, seconds in ((Arm(instrument=name), 77), (Arm(instrument=name, seconds=9), 9)):
        assert f"for {seconds} s" in do(run, command).text
        assert run.kernel.desk.armed()[name] == run.clock.now_ns() + seconds * 1_000_000_000


def test_disarming_says_what_it_is_about(desk: Any, tape: Any) -> None:
    run = desk()
    run.play(tape(seconds=2))
    name = run.runner.info.instruments[0]
    assert do(run, Disarm(instrument=name)).text == f"{name} is not armed: nothing to disarm"
    do(run, Arm(instrument=name))
    for dry_run in (True, False):
        mistyped = Disarm(instrument=name[:-1], dry_run=dry_run)
        with pytest.raises(ConfigError, match=f"did you mean '{name}'"):
            do(run, mistyped)
    assert do(run, Disarm(instrument=name, dry_run=True)).text == f"would disarm {name}"
    assert name in run.kernel.desk.armed()
    assert do(run, Disarm(instrument=name)).text == f"{name} is disarmed"
    assert not run.kernel.desk.armed()


def test_predictions_are_kept_told_and_judged(desk: Any, tape: Any, drift: Any) -> None:
    run = desk(model=drift())
    run.play(tape(seconds=30))
    made = run.predictions.kept
    assert len(made) > 20
    view = run.told(ModelChanged)[-1].model
    assert view.last == made[-1]
    assert view.predictions == len(made)
    assert view.judged == sum(item.ts_bar_ns + 2_000_000_000 <= made[-1].ts_bar_ns for item in made)
    assert 0 < view.hits < view.judged


def test_a_model_works_on_where_its_record_cannot_be_read(
    desk: Any, tape: Any, drift: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = desk(model=drift())

    def unread(*_: object) -> None:
        raise StoreError("predictions here cannot be read; the file can be deleted")

    monkeypatch.setattr(run.predictions, "recent", unread)
    run.play(tape(seconds=20))
    (view,) = run.kernel.forecasts.views()
    assert view.predictions == len(run.predictions.kept) > 10
    said = [fact.alert.text for fact in run.told(AlertRaised)]
    assert "predictions here cannot be read; the file can be deleted" in said


def test_broken_model_is_refused_and_the_engine_goes_on(desk: Any, tape: Any, drift: Any) -> None:
    run = desk(model=drift(broken_after=3))
    run.play(tape(seconds=20))
    (view,) = run.kernel.forecasts.views()
    assert "a broken model" in view.info.state
    assert len(run.predictions.kept) == 3
    assert run.kernel.market.trusted(run.runner.info.instruments[0])


def test_gap_asks_the_feed_for_an_image_and_is_told(desk: Any, tape_maker: Any, btc: Any) -> None:
    run, maker = desk(), tape_maker(1)
    run.play([*maker.opening(), *maker.frames(3)])
    assert run.kernel.market.status(btc.id) is FeedStatus.LIVE
    for _ in range(200):
        maker.step("BTCUSDT")  # lost
    run.feed.calls.clear()
    run.play(list(maker.frames(1)))
    assert run.kernel.market.status(btc.id) is FeedStatus.STALE
    assert ("snapshot", (btc.id,)) in run.feed.calls
    assert run.told(FeedChanged)[-1].feed.gaps == 1
    run.play([maker.image(), *maker.frames(1)])
    assert run.kernel.market.status(btc.id) is FeedStatus.LIVE


def test_unreadable_frame_is_counted_and_alerted_once_a_minute(desk: Any, tape: Any) -> None:
    run = desk()
    run.play(tape(seconds=1))
    ts_ns = run.clock.now_ns()
    run.play([("recv", 1, ts_ns, "", b"\xff\xfe")] * 50)
    assert run.kernel.line.now().rejected_frames == 50
    assert sum("frame skipped" in item.alert.text for item in run.told(AlertRaised)) == 1
    assert run.kernel.line.now().frames == run.kernel.line.frames


def test_only_what_is_wanted_is_subscribed_and_what_is_not_goes_after_a_while(
    desk: Any, tape: Any, btc: Any, another: Any
) -> None:
    eth = another("ETH")
    run = desk(watchlist=(), instruments=(btc, eth))
    assert run.feed.calls == []
    look = run.kernel.open_view()
    look.watch(View(focus=eth.id))
    assert run.feed.calls == [("subscribe", (eth.id,))]
    look.close()
    for second in range(1, 32):
        run.clock.advance(1_000_000_000)
        run.kernel.on_timer(run.clock.now_ns())
        gone = ("unsubscribe", (eth.id,)) in run.feed.calls
        assert gone == (second >= 30), second
    assert run.kernel.market.status(eth.id) is FeedStatus.UNSUBSCRIBED


def test_instrument_with_an_open_order_stays_subscribed_whoever_looks(
    desk: Any, tape: Any, btc: Any
) -> None:
    run = desk()
    run.play(tape(seconds=2))
    order = SubmitOrder(
        client_order_id=ClientOrderId("mine"), instrument=btc.id, side=Side.BUY,
        size=Decimal("0.01"), price=Decimal("59000"),
    )  # fmt: skip
    do(run, order)
    run.kernel.set_watchlist([])
    for _ in range(60):
        run.clock.advance(1_000_000_000)
        run.kernel.on_timer(run.clock.now_ns())
    assert ("unsubscribe", (btc.id,)) not in run.feed.calls


def test_unknown_strategy_names_the_nearest(desk: Any) -> None:
    with pytest.raises(ConfigError, match="unknown strategy 'swin'; did you mean 'swing'"):
        do(desk(), EnableStrategy(strategy=StrategyId("swin")))


def test_snapshot_continues_exactly_where_the_facts_are(desk: Any, tape: Any) -> None:
    run = desk()
    early = Replica()
    early.apply_snapshot(run.kernel.snapshot())
    mark = len(run.facts)
    do(run, EnableStrategy(strategy=SWING))
    run.play(tape(seconds=15))
    for seq, fact in run.facts[mark:]:
        early.apply_fact(seq, fact)
    late = Replica()
    late.apply_snapshot(run.kernel.snapshot())
    assert early.seq == late.seq
    for name in ("orders", "fills", "positions", "balances", "strategies", "venues"):
        assert getattr(early, name) == getattr(late, name), name
    for name, feed in early.feeds.items():
        assert (feed.status, feed.gaps) == (late.feeds[name].status, late.feeds[name].gaps)
    assert {type(fact) for _, fact in run.facts} >= {OrderChanged, FillAdded, FeedChanged}


def test_same_tape_on_a_simulated_exchange_with_latency_gives_the_same_bytes(
    tape: Any, desk: Any
) -> None:
    prints = []
    for _ in range(2):
        run = desk(simulated=True)
        do(run, EnableStrategy(strategy=SWING))
        run.play(tape(seed=9, seconds=40))
        fills = run.journal.of("filled")
        assert len(fills) > 5
        sent = {
            item["intent"]["client_order_id"]: item["ts_ns"] for item in run.journal.of("submitted")
        }
        assert all(item["ts_ns"] >= sent[item["client_order_id"]] + 20_000_000 for item in fills)
        prints.append(run.fingerprint())
    assert prints[0] == prints[1]
