"""The kill switch: reachable from everywhere, done on the second Enter."""

import asyncio

import pytest
from fake_market import status

from core.model import commands as cmd
from core.model.accounts import RiskState
from core.model.errors import LinkError
from core.model.views import StatusChanged
from tui.screens.kill import KillScreen


@pytest.mark.parametrize("before", [(), ("b",), ("colon",), ("question_mark",), ("slash",)])
async def test_the_kill_switch_opens_above_everything_also_while_typing(opened, press, before):
    async with opened() as pilot:
        await press(pilot, *before, "ctrl+k")
        assert isinstance(pilot.app.screen, KillScreen)


@pytest.mark.parametrize(
    ("keys", "level"),
    [((), "cancel"), (("1",), "pause"), (("down",), "flatten"), (("4",), "flatten")],
)
async def test_two_enters_send_the_chosen_level_once(opened, press, link, look, keys, level):
    async with opened() as pilot:
        await press(pilot, "ctrl+k", *keys, "enter")
        assert link.sent == []
        assert f"press Enter again to {level.upper()}" in look(pilot)
        await press(pilot, "enter")
        assert [(item.name, item.level) for item in link.sent] == [("kill", level)]
        assert "KILLED" in look(pilot)


async def test_changing_the_level_asks_anew(opened, press, link):
    async with opened() as pilot:
        await press(pilot, "ctrl+k", "enter", "down", "enter")
        assert link.sent == []


async def test_more_enters_while_it_is_sent_are_one_kill(opened, press, link):
    link.held = asyncio.Event()
    async with opened() as pilot:
        await press(pilot, "ctrl+k", "enter", "enter", "enter", "escape", "enter")
        assert len(link.sent) == 1
        assert isinstance(pilot.app.screen, KillScreen)
        link.held.set()


async def test_a_kill_that_got_no_answer_stays_open_and_names_the_shell_command(
    opened, press, link, look
):
    link.answers[cmd.Kill] = lambda _: LinkError("the link broke")
    async with opened() as pilot:
        await press(pilot, "ctrl+k", "enter", "enter")
        assert "clx kill" in look(pilot)
        assert isinstance(pilot.app.screen, KillScreen)


async def test_the_step_in_force_is_shown_and_ended_from_here(opened, press, link, look):
    shut = status(risk_state=RiskState.REDUCING, risk_reason="kill (pause) by tui: by hand")
    async with opened(size=(80, 24)) as pilot:
        await press(pilot, "ctrl+k")
        assert "resume" not in look(pilot)
        await press(pilot, "5", "enter", "escape")
        link.fact(StatusChanged(status=shut))
        await press(pilot, "ctrl+k")
        seen = look(pilot)
        assert "gate REDUCING: kill (pause) by tui" in seen
        assert "positions stay   (in force)" in seen
        await press(pilot, "5", "enter", "enter")
        assert [item.name for item in link.sent] == ["resume"]
