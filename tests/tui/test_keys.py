"""The key table: no clash, no key a terminal cannot send, overrides checked when loaded."""

from typing import get_args

import pytest
from fake_link import FakeLink

from core.model.errors import ConfigError
from tui.app import ClxApp
from tui.keys import FORBIDDEN, HINTS, KEYS, RESERVED, ScreenName, hints, key_map


def test_ids_are_unique_and_no_key_means_two_things():
    ids = [key.id for key in KEYS]
    assert len(ids) == len(set(ids))
    for screen in get_args(ScreenName):
        keys = [name for key in KEYS if key.on(screen) for name in key.keys.split(",")]
        assert len(keys) == len(set(keys)), screen


def test_no_key_is_one_that_plain_terminals_confuse():
    keys = {name for key in KEYS for name in key.keys.split(",")}
    assert not keys & (set(FORBIDDEN) | set(RESERVED))


def test_every_binding_of_every_screen_can_be_sent_by_a_plain_terminal():
    from tui.screens import find, form, kill, result, ticket, trade
    from tui.screens.help import HelpScreen
    from tui.widgets.fields import Choice, PressButton

    classes = (
        ClxApp, find.FindScreen, form.CommandForm, HelpScreen, kill.KillScreen,
        result.ResultScreen, ticket.TicketScreen, trade.TradeScreen, Choice, PressButton,
    )  # fmt: skip
    for kind in classes:
        for binding in kind.BINDINGS:
            assert not set(binding.key.split(",")) & set(FORBIDDEN), kind


def test_every_action_of_the_table_exists_on_its_screen():
    from tui.screens.markets import MarketsScreen
    from tui.screens.quality import QualityScreen
    from tui.screens.trade import TradeScreen

    for screen in (TradeScreen, MarketsScreen, QualityScreen):
        for key in KEYS:
            name = key.action.partition("(")[0]
            owner = ClxApp if name.startswith("app.") else screen
            if key.on(screen.NAME):
                assert hasattr(owner, f"action_{name.removeprefix('app.')}"), (screen, key.id)


def test_hints_speak_of_known_keys_and_follow_overrides():
    for screen, named in HINTS.items():
        where = {"lists": "trade", "executors": "records"}.get(screen, screen)
        assert set(named) <= {key.id for key in KEYS if key.on(where)}
    assert ("[ ]", "frame") in hints(KEYS)
    assert ("f5", "arm") in hints(key_map({"trade.arm": "f5"}))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ({"trade.am": "f5"}, "did you mean 'trade.arm'"),
        ({"trade.arm": "ctrl+m"}, "ctrl+m is enter in most terminals"),
        ({"trade.arm": "ctrl+["}, "is escape in most terminals"),
        ({"trade.arm": "ctrl+q"}, "kept for quit"),
        ({"trade.arm": "b"}, "b is bound to both"),
        ({"trade.arm": ""}, "must name a key"),
        ({"trade.arm": "entr"}, "no key is called 'entr'"),
        ({"trade.arm": "crtl+x"}, "no modifier 'crtl'"),
    ],
)
def test_a_bad_override_says_what_and_what_to_do(override, said):
    with pytest.raises(ConfigError) as caught:
        key_map(override)
    assert said in str(caught.value)


def test_two_keys_may_change_places():
    table = {key.id: key.keys for key in key_map({"trade.buy": "s", "trade.sell": "b"})}
    assert (table["trade.buy"], table["trade.sell"]) == ("s", "b")


@pytest.mark.parametrize("sign", ["[", "]", "/", ":", "+", "?", ",", "ctrl++"])
def test_signs_are_written_as_on_the_keyboard(sign):
    free = {"chart.shorter": "f2", "chart.longer": "f3", "app.find": "f4", "app.command": "f5",
            "chart.more": "f6", "app.help": "f7", "trade.take_bid": "f8"}  # fmt: skip
    key_map({**free, "trade.arm": sign})


async def test_styles_stay_below_the_frameworks_cache_of_64_sources(opened, press):
    async with opened(link=FakeLink()) as pilot:
        for keys in (("b",), ("slash",), ("question_mark",), ("ctrl+k",), ("ctrl+p",)):
            await press(pilot, *keys)
            await press(pilot, "escape")
        assert len(pilot.app.stylesheet.source) < 64
