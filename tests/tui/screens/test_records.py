"""The screens of records, portfolio and risk; the life of an order; the gate; amending."""

from decimal import Decimal

import msgspec
import pytest
from fake_market import BINANCE, BTC, NOW_NS, fill, order, snapshot

from core.model import commands as cmd
from core.model.accounts import LimitUse
from core.model.errors import ConfigError
from core.model.executors import ExecutorKind, ExecutorPlan, ExecutorView
from core.model.market import Side
from core.model.orders import OrderState, OrderType, Role
from core.model.views import ExecutorChanged, FillAdded, OrderChanged, VenueChanged, VenueView
from tui.screens import checked
from tui.screens.amend import AmendScreen
from tui.screens.gate import GateScreen
from tui.screens.plan import PlanScreen
from tui.screens.why import WhyScreen

SIZES = ((80, 24), (160, 48))


@pytest.fixture(autouse=True)
def check_at_once(monkeypatch):
    monkeypatch.setattr(checked, "CHECK_AFTER_S", 0.001)


def held(name="stop-1"):
    made = order(name, price=None, state=OrderState.HELD, held_by="engine")
    intent = msgspec.structs.replace(
        made.intent,
        type=OrderType.STOP,
        trigger_price=made.intent.size * 126_000,
        group_id="g-77aa",
    )
    return msgspec.structs.replace(made, intent=intent)


@pytest.mark.parametrize("size", SIZES)
async def test_records_turn_filter_and_export(opened, press, link, look, tmp_path, size):
    async with opened(size=size, exports=tmp_path) as pilot:
        link.fact(OrderChanged(order=order("a91e")))
        link.fact(OrderChanged(order=held()))
        link.fact(FillAdded(fill=fill()))
        await press(pilot, "F")
        seen = look(pilot)
        assert "RECORDS" in seen
        assert "held" in seen
        assert "63,000" in seen
        assert "no dead-man switch" in seen
        await press(pilot, "tab", "tab")
        assert "64,015.20" in look(pilot)
        await press(pilot, "shift+tab", "shift+tab", "shift+tab")
        assert "trading:BTC-USDT.binance" in look(pilot)
        await press(pilot, "E")
        (written,) = tmp_path.glob("ledger-*.csv")
        assert written.read_text().startswith("tx,time_ns,kind,account,asset,amount,ref\n7,")
        await press(pilot, "slash", *"usdt", "enter")
        assert "3 rows  with" in look(pilot)
        await press(pilot, "escape", "escape", "escape")
        assert pilot.app.live_screen is pilot.app.trade_screen


async def test_records_open_a_life_and_change_an_order(opened, press, link, look):
    async with opened(size=(80, 24)) as pilot:
        link.fact(OrderChanged(order=order("a91e")))
        await press(pilot, "F", "enter")
        assert isinstance(pilot.app.screen, WhyScreen)
        seen = look(pilot)
        for words in (
            "intent",
            "checks",
            "sent",
            "accepted",
            "fill",
            "cancel refused",
            "+900.0 ms",
        ):
            assert words in seen
        before = pilot.app.screen.query_one("#why-rows").size.height
        await press(pilot, "b")
        assert pilot.app.screen.query_one("#why-rows").size.height > before
        await press(pilot, "y", "escape")
        assert "newClientOrderId" in pilot.app.clipboard
        await press(pilot, "A")
        assert isinstance(pilot.app.screen, AmendScreen)


async def test_a_life_nobody_knows_is_said_where_it_was_asked_for(opened, press, link, look):
    link.answers[cmd.GetOrderLife] = lambda _: ConfigError("no order 'nope' is known")
    async with opened() as pilot:
        pilot.app.deeds.line("why nope")
        await press(pilot)
        assert "no order 'nope' is known" in look(pilot)


@pytest.mark.parametrize("size", SIZES)
async def test_the_portfolio_draws_its_curve_and_four_lists(opened, press, look, size):
    async with opened(size=size) as pilot:
        await press(pilot, "P")
        seen = look(pilot)
        assert "PORTFOLIO" in seen
        assert "31.96 %" in seen
        assert "not priced" in seen
        await press(pilot, "tab", "tab")
        assert "by hand (tui)" in look(pilot)
        await press(pilot, "tab", "right_square_bracket")
        seen = look(pilot)
        assert "2026-11-21" in seen
        assert "curve 1 h" in seen


async def test_risk_shows_every_limit_as_a_bar_with_its_scope(opened, press, link, look):
    limits = (
        LimitUse(rule="risk.max_daily_loss", used=90, allowed=100, unit="USDT"),
        LimitUse(
            rule="risk.accounts.main.max_open_orders",
            used=1,
            allowed=4,
            unit="orders",
            scope="accounts.main",
        ),
    )
    link.first = snapshot(limits=limits)
    async with opened(size=(80, 24)) as pilot:
        await press(pilot, "G")
        seen = look(pilot)
        assert "ACTIVE" in seen
        assert "90% !" in seen
        assert "accounts.main" in seen
        assert "max open orders" in seen
        assert "████" in seen


async def test_the_gate_opens_by_itself_once_and_answers_at_the_second_enter(
    opened, press, link, look
):
    view = VenueView(
        venue=BINANCE, connected=True, reason="", reconciled_ns=0, asks=("long 0.4 BTC-USDT-PERP",)
    )
    async with opened(size=(80, 24)) as pilot:
        link.fact(VenueChanged(venue=view))
        await press(pilot)
        assert isinstance(pilot.app.screen, GateScreen)
        assert "long 0.4 BTC-USDT-PERP" in look(pilot)
        await press(pilot, "escape")
        assert pilot.app.screen is pilot.app.trade_screen
        await press(pilot, "D", "2", "enter")
        assert "press Enter again to PROTECT (1 difference)" in look(pilot)
        assert not link.sent
        await press(pilot, "enter")
        assert link.sent == [cmd.AnswerDifference(venue=BINANCE, answer="protect")]


async def test_the_gate_follows_its_question_and_closes_when_it_is_answered_elsewhere(
    opened, press, link, look
):
    first = VenueView(
        venue=BINANCE, connected=True, reason="", reconciled_ns=0, asks=("long 0.4 BTC-USDT-PERP",)
    )
    many = tuple(f"long {size} BTC-USDT-PERP" for size in range(4, 13))
    async with opened(size=(80, 24)) as pilot:
        link.fact(VenueChanged(venue=first))
        await press(pilot)
        gate = pilot.app.screen
        assert isinstance(gate, GateScreen)
        await press(pilot, "3", "enter")
        assert "press Enter again to FLATTEN (1 difference)" in look(pilot)
        link.fact(VenueChanged(venue=msgspec.structs.replace(first, asks=many)))
        gate.refreshed()
        await press(pilot)
        seen = look(pilot)
        assert "long 4 BTC-USDT-PERP" in seen
        assert "and 3 more" in seen
        assert "press Enter again" not in seen
        assert "enter twice: answer" in seen
        link.fact(VenueChanged(venue=msgspec.structs.replace(first, asks=())))
        gate.refreshed()
        await press(pilot)
        assert pilot.app.screen is pilot.app.trade_screen
        assert "binance asks nothing any more" in look(pilot)
        assert not link.sent


async def test_amend_sends_only_what_changed_and_only_armed(opened, press, link, look):
    async with opened(size=(80, 24)) as pilot:
        link.fact(OrderChanged(order=order("a91e")))
        await press(pilot, "4", "A")
        assert isinstance(pilot.app.screen, AmendScreen)
        assert pilot.app.focused.id == "price"
        await press(pilot, "f9")
        assert "nothing is changed" in look(pilot)
        pilot.app.screen.query_one("#price").value = "64180.005"
        await press(pilot, "f9")
        assert "whole number of price tick" in look(pilot)
        pilot.app.screen.query_one("#price").value = "64100"
        await pilot.pause()
        assert "not sent" not in look(pilot)
        await press(pilot, "f9")
        assert "DISARMED" in look(pilot)
        await press(pilot, "f8", "f9")
        sent = [item for item in link.sent if isinstance(item, cmd.AmendOrder)]
        assert sent == [cmd.AmendOrder(client_order_id="a91e", price=64100)]
        assert link.replica.orders["a91e"].intent.price == 64100
        assert BTC in link.replica.status.armed


def twap(**changes):
    plan = ExecutorPlan(
        id="clxt-0000000000-twap7x3k", kind=ExecutorKind.TWAP, instrument_id=BTC, side=Side.BUY,
        size=Decimal(2), orders=10, start_ns=NOW_NS, end_ns=NOW_NS + 600 * 10**9, origin="tui",
    )  # fmt: skip
    fields = {"sent": 4, "filled": Decimal("0.8"), "average_price": Decimal("64210.5")}
    fields |= {"open_size": Decimal(0), "next_ns": NOW_NS + 60 * 10**9}
    return ExecutorView(plan=plan, **(fields | changes))


@pytest.mark.parametrize("size", SIZES)
async def test_executors_are_shown_paused_resumed_and_stopped(opened, press, link, look, size):
    async with opened(size=size) as pilot:
        await press(pilot, "F", "tab")
        assert "no TWAP and no scaled entry" in look(pilot)
        link.fact(ExecutorChanged(executor=twap()))
        await press(pilot, "tab", "shift+tab")
        seen = look(pilot)
        for words in ("executors 1", "twap", "40%", "████", "running", "p pause, go on", "c stop"):
            assert words in seen
        await press(pilot, "p")
        link.fact(ExecutorChanged(executor=twap(paused_ns=NOW_NS, next_ns=0)))
        await press(pilot, "j")
        seen = look(pilot)
        assert "twap ap7x3k: BUY 2 BTC-USDT.binance at market in 10 orders" in seen
        assert "paused since 20:26:40, 1.2 left" in seen
        await press(pilot, "p", "c")
        assert "press again: stop twap" in look(pilot)
        await press(pilot, "c")
        assert [item.name for item in link.sent if item.tier.value == "trade"] == [
            "pause_executor", "resume_executor", "stop_executor",
        ]  # fmt: skip


async def test_an_executor_opens_its_orders(opened, press, link, look):
    part = order("clxt-0000000000-twap7x3k-000")
    intent = msgspec.structs.replace(
        part.intent, group_id="clxt-0000000000-twap7x3k", role=Role.SLICE
    )
    async with opened() as pilot:
        link.fact(OrderChanged(order=order("a91e")))
        link.fact(OrderChanged(order=msgspec.structs.replace(part, intent=intent)))
        link.fact(ExecutorChanged(executor=twap()))
        await press(pilot, "F", "tab", "enter")
        assert "1 row  with 'slice 7x3k'" in look(pilot)


@pytest.mark.parametrize("size", SIZES)
async def test_a_twap_is_started_by_keyboard_once_armed(opened, press, link, look, until, size):
    async with opened(size=size) as pilot:
        await press(pilot, "F", "tab", "n")
        assert isinstance(pilot.app.screen, PlanScreen)
        assert "worst" in look(pilot)
        await press(pilot, *"0.5", "enter", "f9")
        assert "DISARMED: press F8" in look(pilot)
        seen = look(pilot)
        assert "10 orders of 0.05 at market, one every 3 min 20 s" in seen
        assert not [item for item in link.sent if isinstance(item, cmd.StartExecutor)]
        await press(pilot, "f8")
        await until(pilot, lambda: "ARMED 4:" in look(pilot) or "ARMED 5:00" in look(pilot))
        await press(pilot, "f9")
        await until(pilot, lambda: not isinstance(pilot.app.screen, PlanScreen))
        (sent,) = [
            item for item in link.sent if isinstance(item, cmd.StartExecutor) and not item.dry_run
        ]
        assert (sent.kind, sent.side, sent.size, sent.seconds) == (
            "twap",
            "buy",
            Decimal("0.5"),
            1800,
        )


async def test_a_scaled_entry_asks_for_its_prices_and_says_what_is_wrong(
    opened, press, link, look, until
):
    link.answers[cmd.StartExecutor] = lambda _: ConfigError("parts worth 3 USDT each; use 4 parts")
    async with opened(size=(80, 24)) as pilot:
        pilot.app.deeds.plan()
        await press(pilot)
        await press(pilot, "up", "up", "right")
        seen = look(pilot)
        assert "[scaled]" in seen
        assert "of the last order" in seen
        assert "worst" not in seen
        for name, words in (("size", "0.5"), ("first", "64000"), ("last", "63000")):
            pilot.app.screen.query_one(f"#{name}").value = words
        await until(pilot, lambda: "use 4 parts" in look(pilot))
        await press(pilot, "f8")
        await until(pilot, lambda: "ARMED 5:00" in look(pilot) or "ARMED 4:" in look(pilot))
        await press(pilot, "f9")
        await until(pilot, lambda: "not started: parts worth 3 USDT each" in look(pilot))
