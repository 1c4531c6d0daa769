"""Tickets for every type of order, their sizes, and what a typed line makes of them."""

from decimal import Decimal

import pytest

from core.model import commands as cmd
from core.model.orders import OrderType, TriggerBy
from tui.screens import ticket as ticket_module
from tui.screens.ticket import TicketScreen


@pytest.fixture(autouse=True)
def check_at_once(monkeypatch):
    monkeypatch.setattr(ticket_module, "CHECK_AFTER_S", 0.001)


async def typed(pilot, press, text):
    pilot.app.deeds.line(text)
    await press(pilot)
    assert isinstance(pilot.app.screen, TicketScreen)


async def test_a_line_with_exits_opens_a_bracket_and_sends_it_whole(opened, press, link, look):
    async with opened(size=(80, 24)) as pilot:
        await press(pilot, "a")
        await typed(pilot, press, "b r1% BTC-USDT @64000 sl 63000 tp 67000")
        seen = look(pilot)
        assert "bracket" in seen
        assert "= 1.00124 BTC" in seen
        assert "risk 1,001.24   1.00 %" in seen
        assert "reward 3,003.72   3.00 : 1" in seen
        await press(pilot, "f9")
        (sent,) = (item for item in link.sent if isinstance(item, cmd.SubmitBracket))
        assert (sent.size, sent.stop_price, sent.target_price) == (Decimal("1.00124"), 63000, 67000)
        assert "held" in pilot.app.trade_screen._notice[0]


async def test_a_conditional_line_keeps_trigger_side_and_end(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "a")
        await typed(pilot, press, "s 0.5 BTC-USDT stop 63000 @62900 by mark gtd 2026-12-01 reduce")
        await press(pilot, "f9")
        (sent,) = (item for item in link.sent if isinstance(item, cmd.SubmitOrder))
        assert (sent.type, sent.trigger_by) == (OrderType.STOP_LIMIT, TriggerBy.MARK)
        assert (sent.trigger_price, sent.price) == (63000, 62900)
        assert sent.reduce_only
        assert sent.expire_ns == 1_796_083_200_000_000_000


async def test_an_oco_has_two_exits_and_nothing_else(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "a", "s")
        screen = pilot.app.screen
        screen.query_one("#type").value = "oco"
        await press(pilot)
        assert "an OCO needs the price of both its exits" in look(pilot)
        screen.query_one("#stop").value = "63000"
        screen.query_one("#target").value = "67000"
        await press(pilot, "f9")
        (sent,) = (item for item in link.sent if isinstance(item, cmd.SubmitOco))
        assert (sent.stop_price, sent.target_price) == (63000, 67000)


async def test_a_size_follows_the_unit_chosen_and_says_what_it_comes_to(opened, press, link, look):
    async with opened() as pilot:
        await press(pilot, "a", "b")
        screen = pilot.app.screen
        screen.query_one("#price").value = "64000"
        screen.query_one("#size").value = "0.5"
        await press(pilot)
        unit = screen.query_one("#unit")
        unit.value = unit.options[1]
        await press(pilot)
        assert screen.query_one("#size").value == "$32000.00"
        unit.value = unit.options[2]
        await press(pilot)
        assert screen.query_one("#size").value == "31.96%"
        assert "= 0.50000 BTC" in look(pilot)
        await press(pilot, "f9")
        (sent,) = (item for item in link.sent if isinstance(item, cmd.SubmitOrder))
        assert sent.size == Decimal("0.5")


async def test_a_size_not_worked_out_is_never_sent(opened, press, link, look):
    link.answers[cmd.PreviewOrder] = lambda _: cmd.Done(text="nothing")
    async with opened() as pilot:
        await press(pilot, "a")
        await typed(pilot, press, "b 10% BTC-USDT @64000")
        await press(pilot, "f9")
        assert "not worked out the size yet" in look(pilot)
        assert not any(isinstance(item, cmd.SubmitOrder) for item in link.sent)


async def test_every_field_is_seen_at_80x24(opened, press, look):
    async with opened(size=(80, 24)) as pilot:
        await typed(pilot, press, "s 0.5 BTC-USDT stop 63000 @62900 gtd 2026-12-01")
        await press(pilot, "f6")
        seen = look(pilot)
        for words in ("trigger", "until", "reduce", "show", "position", "account", "Send sell"):
            assert words in seen
        assert pilot.app.screen.query_one("#ticket").region.y >= 0
