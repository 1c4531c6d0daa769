"""The kill switch: reachable from everywhere, done on the second Enter."""

import asyncio

import pytest

from core.model import commands as cmd
from core.model.errors import LinkError
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
