"""Keys of the quality screen: instruments, venues, days, and what it says without an engine."""

import msgspec
import pytest
from fake_link import FakeLink
from fake_market import BTC, instruments, snapshot
from wide_market import perpetuals, quality, wide_feeds

from core.model import commands as cmd
from core.model.errors import TemporaryError
from tui.screens.quality import DAYS_BACK, QualityScreen
from tui.screens.trade import TradeScreen


@pytest.fixture
def wide():
    return FakeLink(
        snapshot(
            instruments=(*instruments(), *perpetuals()),
            feeds=(*snapshot().feeds, *wide_feeds()),
        )
    )


async def shown(pilot, press):
    await press(pilot, "Q")
    await press(pilot)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_today_and_earlier_days_are_seen_at_every_size(opened, press, look, wide, size):
    async with opened(link=wide, size=size) as pilot:
        await shown(pilot, press)
        await press(pilot, "j")
        await press(pilot)
        seen = look(pilot)
        for words in ("DATA QUALITY", "BTC-USDT", "STALE", "unchecked", "gaps", "ETH-USDT.binance"):
            assert words in seen
        assert "2026-11-20" in seen
        days = [item for item in wide.requests if getattr(item, "days", 1) == DAYS_BACK]
        assert days[-1] == cmd.GetQuality(instruments=("ETH-USDT.binance",), days=DAYS_BACK)


async def test_venues_add_up_and_enter_shows_their_instruments(opened, press, look, wide):
    async with opened(link=wide) as pilot:
        await shown(pilot, press)
        await press(pilot, "tab")
        screen = pilot.app.live_screen
        assert [row.venue for row in screen.rows] == [
            "binance", "bybit", "ccxt:mexc", "kraken", "okx",
        ]  # fmt: skip
        assert "6 of 6 live" in look(pilot)
        assert "enter lists this venue's instruments" in look(pilot)
        await press(pilot, "j", "enter")
        assert {row.venue for row in screen.rows} == {"bybit"}
        assert not screen.by_venue
        await press(pilot, "escape")
        assert len(screen.rows) == 11


async def test_why_data_is_not_live_is_said_beside_its_name(opened, press, look, wide):
    async with opened(link=wide, size=(80, 24)) as pilot:
        await shown(pilot, press)
        await press(pilot, *"jjjjjjjjj")
        assert "XRP-USD.kraken STALE: checksum 3041 is not 2771" in look(pilot)


async def test_the_rate_now_is_the_engines_at_first_then_counted_between_two_looks(
    opened, press, wide
):
    async with opened(link=wide) as pilot:
        await shown(pilot, press)
        screen = pilot.app.live_screen
        first = quality(BTC)
        screen.take([first], 100.0)
        assert screen.rows[0].rate_now == first.rate_per_s > 0, "what the engine measured"
        screen.take([msgspec.structs.replace(first, frames=first.frames + 60)], 102.0)
        assert screen.rows[0].rate_now == 30.0
        screen.take([msgspec.structs.replace(first, frames=3)], 104.0)
        assert screen.rows[0].rate_now == 30.0, "a new day's count is no negative rate"


async def test_the_worst_come_first_when_sorted_by_gaps(opened, press, wide):
    async with opened(link=wide) as pilot:
        await shown(pilot, press)
        screen = pilot.app.live_screen
        while screen.arranged.column != "gaps":
            await press(pilot, "s")
        assert screen.rows[0].venue in {"kraken", "ccxt:mexc"}


async def test_enter_shows_the_instrument_on_the_trade_screen(opened, press, wide):
    async with opened(link=wide) as pilot:
        await shown(pilot, press)
        await press(pilot, "j", "enter")
        assert isinstance(pilot.app.screen, TradeScreen)
        assert pilot.app.screen.focus_id == "ETH-USDT.binance"


async def test_from_screen_to_screen_without_the_trade_screen_between(opened, press, wide):
    async with opened(link=wide) as pilot:
        await press(pilot, "m", "Q")
        assert isinstance(pilot.app.screen, QualityScreen)
        await press(pilot, "m", "Q", "t")
        assert isinstance(pilot.app.screen, TradeScreen)
        assert len(pilot.app.screens.all) == 1


async def test_an_engine_that_cannot_answer_is_said(opened, press, look, wide):
    wide.answers[cmd.GetQuality] = lambda _: TemporaryError("the records are being read")
    async with opened(link=wide) as pilot:
        await shown(pilot, press)
        assert "the records are being read" in look(pilot)
