"""Keys of the main screen: each one's command, and what the screen says of it."""

import re
from decimal import Decimal

import msgspec
import pytest
from fake_link import FakeLink
from fake_market import BTC, fill, order, snapshot, status, strategy

from core.model import commands as cmd
from core.model.accounts import Position
from core.model.errors import ConfigError, LinkError
from core.model.market import Side
from core.model.orders import OrderState, PositionSide
from core.model.views import Alert, AlertRaised, FillAdded, OrderChanged, PositionChanged, VenueView
from tui.screens.find import FindScreen
from tui.screens.help import HelpScreen
from tui.screens.kill import KillScreen
from tui.screens.ticket import TicketScreen
from tui.screens.why import WhyScreen


def position(size: str = "0.25000") -> Position:
    return Position(
        instrument_id=BTC, size=Decimal(size), average_price=Decimal("64015.20"),
        realised_pnl=Decimal(0), fees=Decimal(0), mark_price=Decimal("64218.50"),
        unrealised_pnl=Decimal("50.83"),
    )  # fmt: skip


async def test_a_arms_the_instrument_and_again_disarms_it(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "a")
        assert link.sent == [cmd.Arm(instrument=BTC, seconds=300)]
        assert re.search(r" ARMED (5:00|4:[345]\d)", look(pilot))
        await press(pilot, "a")
        assert link.sent[-1] == cmd.Disarm(instrument=BTC)
        assert "DISARMED" in look(pilot)


async def test_the_armed_countdown_follows_the_engines_clock(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "a")
        link.frame(ts_ns=link.now_ns + 290_000_000_000)
        await press(pilot, "1")
        assert re.search(r" ARMED 0:(10|0\d)", look(pilot))
        link.frame(ts_ns=link.now_ns + 11_000_000_000)
        await press(pilot, "1")
        assert "DISARMED" in look(pilot)


@pytest.mark.parametrize(
    ("key", "side", "price"), [("B", "buy", "64218.49"), ("S", "sell", "64218.51")]
)
async def test_joining_the_best_price_sends_when_armed(opened, press, link, key, side, price):
    async with opened() as pilot:
        await press(pilot, "a", key)
        sent = link.sent[-1]
        assert isinstance(sent, cmd.SubmitOrder)
        assert (sent.side, sent.price, sent.type) == (side, Decimal(price), "limit")
        assert sent.client_order_id.startswith("clxt-") or sent.client_order_id.startswith("clx")


async def test_what_is_said_of_a_key_order_goes_along_with_it(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "a", "B")
        said = next(iter(link.replica.orders.values()))
        assert "BTC-USDT @ 64,218.49: " in look(pilot)
        filled = msgspec.structs.replace(
            said, state=OrderState.FILLED, filled=said.intent.size, average_price=Decimal(64218)
        )
        link.fact(OrderChanged(order=filled))
        await press(pilot)
        assert "BTC-USDT @ 64,218.49: filled at 64,218" in look(pilot)
        link.fact(OrderChanged(order=msgspec.structs.replace(said, state=OrderState.CANCELED)))
        await press(pilot, "escape")
        assert "@ 64,218.49: " not in look(pilot)


async def test_a_key_order_of_unknown_outcome_is_named_and_warned_of(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "a")
        link.answers[cmd.SubmitOrder] = lambda _: LinkError("the link broke before the answer")
        await press(pilot, "B")
        seen = " ".join(look(pilot).split())
        assert link.sent[-1].client_order_id in seen
        assert "BTC-USDT @ 64,218.49" in seen
        assert "look into orders (4) before another" in seen


@pytest.mark.parametrize("keys", [("B",), ("S",)])
async def test_joining_the_best_price_is_refused_while_disarmed(opened, press, link, look, keys):
    async with opened() as pilot:
        await press(pilot, *keys)
        assert link.sent == []
        assert "DISARMED: a arms BTC-USDT for 300 s" in look(pilot)


async def test_enter_at_an_armed_ladder_sends_at_the_cursor_as_captured(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "a", "j", "j", "j")
        screen = pilot.app.trade_screen
        ticks = screen.hand.cursor
        link.markets[BTC].mid += 500
        link.send_chart()
        await press(pilot, "enter")
        sent = link.sent[-1]
        assert isinstance(sent, cmd.SubmitOrder)
        assert sent.price == screen.instrument.price(ticks)


async def test_enter_at_a_disarmed_ladder_opens_the_ticket_instead(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "j", "enter")
        assert isinstance(pilot.app.screen, TicketScreen)
        assert link.sent == []


@pytest.mark.parametrize(("key", "side"), [("b", "buy"), ("s", "sell")])
async def test_a_ticket_opens_at_the_cursors_price(opened, press, key, side):
    async with opened() as pilot:
        await press(pilot, "j", "j", key)
        ticket = pilot.app.screen
        assert isinstance(ticket, TicketScreen)
        hand = pilot.app.trade_screen.hand
        assert ticket.prefill.side == side
        assert Decimal(ticket.prefill.text.price) == ticket.instrument.price(hand.cursor)


async def test_the_rows_of_the_ladder_hold_still_under_the_cursor(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "j")
        screen = pilot.app.trade_screen
        before = screen.ladder_view().frozen
        link.markets[BTC].mid += 3
        link.send_chart()
        await press(pilot, "j")
        assert screen.ladder_view().frozen == before
        await press(pilot, "space")
        assert screen.ladder_view().frozen is None
        assert screen.hand.cursor is None


async def test_c_cancels_the_order_at_the_ladders_cursor(opened, press, link):
    async with opened() as pilot:
        link.fact(OrderChanged(order=order("mine", Side.BUY, "64218.49")))
        await press(pilot, "j", "c")
        assert link.sent == [cmd.CancelOrder(client_order_id="mine")]


async def test_c_cancels_the_chosen_order_of_the_list(opened, press, link):
    async with opened() as pilot:
        link.fact(OrderChanged(order=order("older", price="64000.00")))
        link.fact(OrderChanged(order=order("newer", price="64100.00")))
        await press(pilot, "4", "j", "c")
        assert link.sent == [cmd.CancelOrder(client_order_id="older")]


async def test_c_without_an_order_says_how_to_choose_one(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "c")
        assert link.sent == []
        assert "4 lists orders" in look(pilot)


async def test_cancel_all_needs_the_key_twice_and_says_how_many(opened, press, link, look):
    async with opened() as pilot:
        link.fact(OrderChanged(order=order("one")))
        link.fact(OrderChanged(order=order("two", price="64000.00")))
        link.fact(OrderChanged(order=order("gone", state=OrderState.CANCELED)))
        await press(pilot, "X")
        assert link.sent == []
        assert "press again: cancel 2 orders of BTC-USDT.binance" in look(pilot)
        await press(pilot, "X")
        assert link.sent == [cmd.CancelAll(instrument=BTC)]


async def test_close_needs_the_key_twice(opened, press, link, look):
    async with opened() as pilot:
        link.fact(PositionChanged(position=position()))
        await press(pilot, "Z")
        assert link.sent == []
        assert "press again: close long 0.25 BTC-USDT.binance at market" in look(pilot)
        await press(pilot, "Z")
        assert len(link.sent) == 1
        assert isinstance(link.sent[0], cmd.ClosePosition)
        assert (link.sent[0].instrument, link.sent[0].position_side) == (BTC, "long")


async def test_of_two_positions_held_apart_none_is_closed_unasked(opened, press, link, look):
    async with opened(size=(160, 48)) as pilot:
        for side, size in ((PositionSide.LONG, "0.25"), (PositionSide.SHORT, "-0.10")):
            apart = msgspec.structs.replace(position(), side=side, size=Decimal(size))
            link.fact(PositionChanged(position=apart))
        await press(pilot, "Z", "Z")
        assert link.sent == []
        assert "held apart: long 0.25 BTC-USDT.binance and short 0.1" in look(pilot)
        await press(pilot, "F", "tab", "tab", "tab", "j", "Z", "Z")
        assert [item.position_side for item in link.sent] == ["short"]


async def test_in_the_list_of_positions_the_chosen_one_is_closed(opened, press, link, look):
    async with opened(size=(160, 48)) as pilot:
        link.fact(PositionChanged(position=position()))
        other = msgspec.structs.replace(position("-2"), instrument_id="ETH-USDT.binance")
        link.fact(PositionChanged(position=other))
        await press(pilot, "5", "j", "Z")
        assert "press again: close short 2 ETH-USDT.binance at market" in look(pilot)
        await press(pilot, "Z")
        assert [(item.instrument, item.position_side) for item in link.sent] == [
            ("ETH-USDT.binance", "short")
        ]


async def test_cancel_all_then_close_is_not_a_double_press(opened, press, link):
    async with opened() as pilot:
        link.fact(PositionChanged(position=position()))
        await press(pilot, "X", "Z", "X")
        assert link.sent == []


async def test_close_without_a_position_says_so(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "Z", "Z")
        assert link.sent == []
        assert "no position to close here" in look(pilot)


async def test_e_enables_the_only_strategy_and_again_disables_it(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "e")
        assert link.sent == [cmd.EnableStrategy(strategy="rsi")]
        assert "rsi is running" in look(pilot)
        await press(pilot, "e")
        assert link.sent[-1] == cmd.DisableStrategy(strategy="rsi")


async def test_e_with_more_strategies_asks_to_choose_one(opened, press, look):
    import msgspec

    other = strategy()
    other = msgspec.structs.replace(other, info=msgspec.structs.replace(other.info, id="macd"))
    link = FakeLink(snapshot(strategies=(strategy(), other)))
    async with opened(link=link) as pilot:
        await press(pilot, "e")
        assert link.sent == []
        assert "8 lists strategies" in look(pilot)
        await press(pilot, "8", "j", "e")
        assert link.sent == [cmd.EnableStrategy(strategy="macd")]


async def test_plus_and_minus_at_the_ladder_step_the_size_of_the_next_order(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "a", "j", "plus", "enter")
        first = link.sent[-1].size
        await press(pilot, "minus", "minus", "enter")
        assert first > link.sent[-1].size


@pytest.mark.parametrize(
    ("key", "screen"),
    [
        ("slash", FindScreen),
        ("question_mark", HelpScreen),
        ("f1", HelpScreen),
        ("ctrl+k", KillScreen),
        ("b", TicketScreen),
    ],
)
async def test_dialogs_open_and_escape_closes_them(opened, press, key, screen):
    async with opened() as pilot:
        await press(pilot, key)
        assert isinstance(pilot.app.screen, screen)
        await press(pilot, "escape")
        assert pilot.app.screen is pilot.app.trade_screen


async def test_keys_change_timeframe_and_the_engine_is_asked_for_it(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "right_square_bracket")
        assert link.views[-1].timeframe == "5m"
        assert "[5m]" in look(pilot)
        await press(pilot, *["left_square_bracket"] * 9)
        assert link.views[-1].timeframe == "1s"


async def test_panning_and_zooming_move_the_chart_and_back(opened, press, look):
    async with opened() as pilot:
        before = look(pilot)
        await press(pilot, "H", "H")
        assert look(pilot) != before
        await press(pilot, "g")
        assert pilot.app.trade_screen.query_one("#chart").zoom.offset == 0
        await press(pilot, "escape", "plus")
        assert pilot.app.trade_screen.query_one("#chart").zoom.pitch == 2


async def test_tab_walks_through_all_panes_and_back(opened, press):
    from tui.panes import ALL

    async with opened() as pilot:
        seen = []
        for _ in ALL:
            seen.append(pilot.app.trade_screen.pane)
            await press(pilot, "tab")
        assert seen == list(ALL)
        assert pilot.app.trade_screen.pane == "ladder"
        await press(pilot, "shift+tab")
        assert pilot.app.trade_screen.pane == ALL[-1]


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_every_pane_key_opens_its_pane_and_its_tab_is_in_sight(opened, press, look, size):
    from tui.panes import ALL

    async with opened(size=size) as pilot:
        for digit, name in zip("1234567890R", ALL, strict=True):
            await press(pilot, digit)
            assert pilot.app.trade_screen.pane == name
            row = next(line for line in look(pilot).splitlines() if line.startswith(" ladder"))
            assert name[:3] in row


async def test_enter_on_the_watchlist_shows_that_instrument(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "3", "j", "enter")
        assert link.views[-1].focus == "ETH-USDT.binance"


async def test_enter_on_a_fill_tells_its_orders_life_and_y_copies_the_fill(opened, press, link):
    async with opened() as pilot:
        link.fact(FillAdded(fill=fill()))
        await press(pilot, "6", "enter")
        assert isinstance(pilot.app.screen, WhyScreen)
        assert pilot.app.screen.order_id == fill().client_order_id
        await press(pilot, "escape", "y")
        assert "64015.20" in pilot.app.clipboard


async def test_a_refusal_stays_until_it_is_read(opened, press, link, look):
    link.answers[cmd.Arm] = lambda _: ConfigError("halted [by hand]")
    async with opened() as pilot:
        await press(pilot, "a", "3", "4")
        assert "halted [by hand]" in look(pilot)
        await press(pilot, "escape")
        assert "halted" not in look(pilot)


async def test_an_alert_of_the_engine_is_said_and_kept_in_the_log(opened, press, link, look):
    async with opened() as pilot:
        link.fact(AlertRaised(alert=Alert(ts_ns=1, level="info", source="engine", text="first")))
        await press(pilot, "1")
        link.fact(AlertRaised(alert=Alert(ts_ns=2, level="error", source="feed", text="gap [7]")))
        await press(pilot, "1")
        assert "feed: gap [7]" in look(pilot)
        await press(pilot, "escape", "0")
        assert look(pilot).count("gap [7]") == 1


async def test_q_leaves_and_sends_the_engine_nothing(opened, press, link):
    async with opened() as pilot:
        await pilot.press("q")
        await pilot.pause()
        assert pilot.app._exit
    assert link.requests == []


async def test_t_takes_the_next_theme(opened, press):
    async with opened() as pilot:
        seen = {pilot.app.look.theme.name}
        for _ in range(3):
            await press(pilot, "T")
            seen.add(pilot.app.look.theme.name)
        assert seen >= {"clx-dark", "clx-light", "cvd", "mono"}


async def test_a_halted_engine_says_so_in_the_header(opened, look):
    from core.model.accounts import RiskState

    link = FakeLink(snapshot(status=status(risk_state=RiskState.HALTED, journal_ok=False)))
    async with opened(link=link, size=(80, 24)) as pilot:
        head = look(pilot).splitlines()[0]
        assert "HALTED" in head
        assert "SIM" in head
        assert "DISARMED" in head


async def test_a_venue_that_is_down_says_so_in_the_header_of_every_screen(opened, look, press):
    view = VenueView(venue="binance", connected=False, reason="no DNS", reconciled_ns=0)
    async with opened(link=FakeLink(snapshot(venues=(view,))), size=(80, 24)) as pilot:
        assert " binance DOWN " in look(pilot).splitlines()[0]
        await press(pilot, "F")
        assert " binance DOWN " in look(pilot).splitlines()[0]


@pytest.mark.parametrize(
    ("key", "side", "price"), [("full_stop", Side.BUY, 0), ("comma", Side.SELL, 1)]
)
async def test_take_crosses_at_the_best_price_and_nothing_worse(
    opened, press, link, key, side, price
):
    async with opened() as pilot:
        await press(pilot, "a", key)
        (sent,) = (item for item in link.sent if isinstance(item, cmd.SubmitOrder))
        book = link.replica.book
        best = (book.asks if price == 0 else book.bids)[0][0]
        item = link.replica.instruments[BTC]
        assert (sent.side, sent.price) == (side, item.price(best))
        assert sent.time_in_force == "ioc"


async def test_move_takes_the_order_at_the_cursor_a_row_along_when_armed(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "j")
        cursor = pilot.app.trade_screen.hand.cursor
        price = link.replica.instruments[BTC].price(cursor)
        link.fact(OrderChanged(order=order("mine", price=f"{price:f}")))
        await press(pilot, "J")
        assert "DISARMED" in look(pilot)
        assert not any(isinstance(item, cmd.AmendOrder) for item in link.sent)
        await press(pilot, "a", "J")
        (moved,) = (item for item in link.sent if isinstance(item, cmd.AmendOrder))
        assert moved.client_order_id == "mine"
        assert moved.price < price
        assert pilot.app.trade_screen.hand.cursor < cursor
        assert link.replica.orders["mine"].intent.price == moved.price


async def test_a_notice_of_two_lines_moves_no_row_under_the_hand(opened, press, look, link):
    async with opened(size=(80, 24)) as pilot:
        await press(pilot, "j", "j", "j")
        screen = pilot.app.trade_screen
        before, cursor = screen.ladder_view().frozen, screen.hand.cursor
        link.markets[BTC].mid += 3
        link.send_chart()
        screen.notice("held by the engine until the order it replaces is cancelled, " * 2, "info")
        await press(pilot)
        assert f"\u25ba{screen.instrument.price(cursor):,f}" in look(pilot)
        await press(pilot, "j")
        rows = [ticks for ticks in before if ticks > 0]
        assert screen.hand.cursor == rows[rows.index(cursor) + 1]
        assert screen.ladder_view().frozen == before
