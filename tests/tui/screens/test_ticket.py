"""The ticket: one id, one order, no guessing."""

import asyncio
import gc
import sys
from decimal import Decimal

import msgspec
import pytest
from fake_market import BTC, order

from core.model import commands as cmd
from core.model.errors import LinkError
from core.model.orders import OrderState
from tui.screens import ticket as ticket_module
from tui.screens.ticket import TicketScreen


@pytest.fixture(autouse=True)
def check_at_once(monkeypatch):
    monkeypatch.setattr(ticket_module, "CHECK_AFTER_S", 0.001)


def submits(link):
    return [item for item in link.sent if isinstance(item, cmd.SubmitOrder)]


async def test_checks_that_are_given_up_before_they_begin_leave_nothing_behind(
    opened, press, monkeypatch
):
    async with opened() as pilot:
        await press(pilot, "b")
        gc.collect()
        lost = []
        monkeypatch.setattr(sys, "unraisablehook", lost.append)
        ticket = pilot.app.screen
        ticket._start_checks()
        ticket._start_checks()
        ticket.workers.cancel_all()
        await press(pilot, "escape")
        assert pilot.app.screen is pilot.app.trade_screen
        gc.collect()
        assert lost == []


async def test_enter_walks_the_fields_and_sends_only_on_send(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "a", "b")
        seen = []
        for _ in range(7):
            seen.append(pilot.app.focused.id)
            await press(pilot, "enter")
        assert seen == ["size", "unit", "price", "stop", "target", "lives", "reduce"]
        assert pilot.app.focused.id == "send"
        assert submits(link) == []
        await press(pilot, "enter")
        assert len(submits(link)) == 1
        assert pilot.app.screen is pilot.app.trade_screen


async def test_a_second_enter_while_sending_is_the_same_order(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "a", "b")
        link.held = asyncio.Event()
        await press(pilot, "f9", "f9", "enter", "f9")
        assert len(submits(link)) == 1
        link.held.set()
        await press(pilot)
        assert len(submits(link)) == 1
        assert len(link.replica.orders) == 1


async def test_an_unknown_outcome_keeps_the_id_for_sending_again(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "a", "b")
        link.answers[cmd.SubmitOrder] = lambda _: LinkError("the link broke before the answer")
        await press(pilot, "f9")
        assert "outcome unknown" in look(pilot)
        assert isinstance(pilot.app.screen, TicketScreen)
        del link.answers[cmd.SubmitOrder]
        await press(pilot, "enter")
        first, second = submits(link)
        assert first == second
        assert pilot.app.screen is pilot.app.trade_screen


async def test_an_unknown_outcome_cannot_be_edited_into_another_order(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "a", "b")
        link.answers[cmd.SubmitOrder] = lambda _: LinkError("gone")
        await press(pilot, "f9")
        assert all(item.disabled for item in pilot.app.screen.query("Input, Choice"))
        await press(pilot, "escape")
        assert "outcome unknown" in pilot.app.trade_screen._notice[0]


async def test_a_denied_order_shows_the_rule_and_the_next_try_has_another_id(
    opened, press, link, look
):
    def deny(command):
        denied = order(
            command.client_order_id,
            state=OrderState.DENIED,
            note="risk.max_order_notional: 200 > 100",
        )
        return cmd.OrderReport(order=denied)

    async with opened() as pilot:
        await press(pilot, "a", "b")
        link.answers[cmd.SubmitOrder] = deny
        await press(pilot, "f9")
        assert "risk.max_order_notional: 200 > 100" in look(pilot)
        del link.answers[cmd.SubmitOrder]
        await press(pilot, "f9")
        first, second = submits(link)
        assert first.client_order_id != second.client_order_id


async def test_a_size_that_cannot_be_read_is_an_error_and_nothing_is_sent(
    opened, press, link, look
):
    async with opened() as pilot:
        await press(pilot, "a", "b")
        for typed in ("1,5", "abc", "0", "-1", "1e3", "", "0.0000000001"):
            pilot.app.screen.query_one("#size").value = "1"
            await press(pilot)
            assert "size" not in pilot.app.screen.draft.errors
            pilot.app.screen.query_one("#size").value = typed
            await press(pilot, "f9")
            assert submits(link) == [], typed
            assert "not sent: " in look(pilot), typed
            assert "size" in pilot.app.screen.draft.errors, typed
            assert pilot.app.focused.id == "size", typed


async def test_a_price_off_the_tick_is_an_error(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "a", "b")
        pilot.app.screen.query_one("#price").value = "64218.505"
        await press(pilot, "f9")
        assert submits(link) == []
        assert "price" in look(pilot)
        assert "0.01" in look(pilot)


async def test_disarmed_refuses_and_f8_arms_without_leaving(opened, press, link, look):
    async with opened(size=(80, 24)) as pilot:
        await press(pilot, "b", "f9")
        assert submits(link) == []
        assert "DISARMED: press F8 to arm BTC-USDT" in look(pilot)
        await press(pilot, "f8")
        assert link.sent == [cmd.Arm(instrument=BTC, seconds=300)]
        await press(pilot, "f9")
        assert len(submits(link)) == 1


async def test_the_engines_checks_are_shown_before_sending(opened, press, link, look):
    def deny(command):
        return cmd.OrderReport(
            order=order(
                command.client_order_id, state=OrderState.DENIED, note="risk.price_band: 9 %"
            )
        )

    link.answers[cmd.SubmitOrder] = deny
    async with opened() as pilot:
        await press(pilot, "b")
        assert "risk.price_band: 9 %" in look(pilot)
        asked = [item for item in link.requests if isinstance(item, cmd.SubmitOrder)]
        assert asked
        assert all(item.dry_run for item in asked)
        assert submits(link) == []


async def test_a_market_order_has_no_price(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "a", "s", "up", "right")
        assert not pilot.app.screen.query_one("#price-line").display
        await press(pilot, "f9")
        assert submits(link)[0].price is None
        assert submits(link)[0].type == "market"


async def test_post_only_and_reduce_only_reach_the_command(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "a", "b", *["enter"] * 5, "right", "enter", "right", "f9")
        sent = submits(link)[0]
        assert sent.post_only
        assert sent.reduce_only


async def test_the_ticket_keeps_the_price_of_the_moment_it_was_opened(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "a", "b")
        price = pilot.app.screen.query_one("#price").value
        link.markets[BTC].mid += 700
        link.send_chart()
        await press(pilot, "f9")
        assert submits(link)[0].price == Decimal(price)


async def test_every_row_of_the_ticket_is_seen_at_80x24_with_its_longest_words(
    opened, press, link, look
):
    long = order(state=OrderState.DENIED, note="risk.max_position: " + "position too large " * 7)
    link.answers[cmd.SubmitOrder] = lambda _: cmd.OrderReport(order=long)
    async with opened(size=(80, 24)) as pilot:
        await press(pilot, "a", "b", "f9")
        seen = look(pilot)
        for words in ("BUY BTC-USDT", "type", "size", "price", "lives", "checks", "Send buy"):
            assert words in seen
        sheet = pilot.app.screen.query_one("#ticket").region
        assert sheet.bottom == 24
        assert sheet.y >= 0


async def test_brackets_in_the_engines_words_are_shown_as_they_are(opened, press, link, look):
    link.answers[cmd.SubmitOrder] = lambda command: cmd.OrderReport(
        order=msgspec.structs.replace(order(), state=OrderState.DENIED, note="[/] [bold] odd [x")
    )
    async with opened() as pilot:
        await press(pilot, "b")
        assert "[/] [bold] odd [x" in look(pilot)
