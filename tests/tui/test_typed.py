"""Keys that come faster than screens open reach the screen they were meant for."""

import pytest
from textual import events
from textual.widgets import Input

from tui import typed
from tui.screens.ticket import TicketScreen


def size_typed(app):
    """Return what the size of the ticket on top says, None without a ticket."""
    ticket = app.screen
    if not isinstance(ticket, TicketScreen) or not ticket.is_mounted:
        return None
    return ticket.query_one("#size", Input).value


async def test_keys_of_one_burst_reach_the_form_that_the_first_opens(opened, press, until):
    async with opened() as pilot:
        await press(pilot, "a")
        for key in ("b", "0", "full_stop", "1", "2"):
            character = "." if key == "full_stop" else key
            pilot.app.post_message(events.Key(key, character))
        await until(pilot, lambda: size_typed(pilot.app) == "0.12")


async def test_a_burst_after_a_dialog_is_closed_reaches_the_screen_below(opened, press, until):
    async with opened() as pilot:
        await press(pilot, "a", "b")
        for key in ("escape", "b", "7"):
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: size_typed(pilot.app) == "7")


@pytest.mark.parametrize("again", [False, True])
async def test_a_burst_with_a_command_reaches_the_line_whole(opened, press, until, again):
    async with opened() as pilot:
        await press(pilot, "a", *["colon", "escape"] * again)
        for key in ("colon", "x", "y", "z"):
            pilot.app.post_message(events.Key(key, ":" if key == "colon" else key))
        await until(pilot, lambda: pilot.app.query_one("#line", Input).value.endswith("z"))
        assert pilot.app.query_one("#line", Input).value == "xyz"


async def test_a_paste_waits_for_the_form_as_keys_do(opened, press, until):
    async with opened() as pilot:
        await press(pilot, "a")
        pilot.app.post_message(events.Key("b", "b"))
        pilot.app.post_message(events.Paste("0.5"))
        await until(pilot, lambda: size_typed(pilot.app) == "0.5")


async def test_a_key_whose_widget_is_gone_holds_up_no_other(opened, press, until, monkeypatch):
    async with opened() as pilot:
        await press(pilot, "a", "b")
        app = pilot.app
        size = app.focused
        later = size.call_later
        gone = []

        def lose_marks(callback, *args):
            if callback.__name__ != "_passed":
                return later(callback, *args)
            gone.append(args)
            return True

        monkeypatch.setattr(typed, "PATIENCE_S", 0.01)
        monkeypatch.setattr(size, "call_later", lose_marks)
        for key in "345":
            app.post_message(events.Key(key, key))
        await until(pilot, lambda: size.value == "345")
        assert gone
