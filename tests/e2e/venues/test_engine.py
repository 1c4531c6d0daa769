"""One engine with six feeds at once, and what it does when all venues go and come back."""

import asyncio
from typing import Any

import pytest

from core.model import commands
from core.model.ids import InstrumentId
from core.model.market import FeedStatus

WATCHED = {
    "binance_usdm": "BTC-USDT-PERP", "okx": "BTC-USDT", "coinbase": "BTC-USD",
    "deribit": "BTC-USD-PERP", "kucoin": "BTC-USDT", "alpaca": "BTC-USD",
}  # fmt: skip
NAMES = [InstrumentId(f"{symbol}.{venue}") for venue, symbol in WATCHED.items()]
PATHS = {"binance_usdm": ("/binancefut", ""), "coinbase": ("/coinbase", "/advanced")}
SETTINGS = """
mode = "paper"
[engine]
watchlist = {watched}
history_bars = 300
stale_after_s = 5.0
[models.tiny-1m]
enabled = false
"""


def configured(state: dict[str, Any]) -> str:
    text = SETTINGS.format(watched=[str(name) for name in NAMES])
    for venue in WATCHED:
        rest, stream = PATHS.get(venue, (f"/{venue}", ""))
        host = f"127.0.0.1:{state['port']}{rest}"
        text += f'[feeds.{venue}]\nrest_url = "http://{host}"\nstream_url = "ws://{host}{stream}"\n'
        if venue == "alpaca":
            text += f'api_key = "{state["api_key"]}"\napi_secret = "{state["api_secret"]}"\n'
    return text


@pytest.mark.slow
async def test_six_venues_are_live_at_once_and_come_back_after_all_of_them_went(home: Any) -> None:
    state = home.start_emulator("--venues=all")
    home.configure(configured(state))
    home.spawn("-m", "clx", "daemon", "run")
    async with home.attach() as client:
        feeds = client.replica.feeds

        def all_are(*wanted: FeedStatus) -> bool:
            return all(name in feeds and feeds[name].status in wanted for name in NAMES)

        await client.until(lambda: all_are(FeedStatus.LIVE), "six venues to be live", 40)
        # The history each venue was asked for at the start: 24 hours of it in a few points.
        async with asyncio.timeout(20):
            while True:
                found = await client.request(commands.GetSparks(instruments=tuple(NAMES)))
                if all(len(spark.closes_ticks) >= 12 for spark in found):
                    break
                await client.request(commands.GetStatus())
        assert {spark.instrument_id for spark in found} == set(NAMES)
        rows = {row["instrument_id"]: row for row in home.ask("data", "quality")}
        for name in NAMES:
            assert rows[name]["gaps"] == 0, rows[name]
            assert rows[name]["trade_holes"] == 0, rows[name]
            assert rows[name]["frames"] > 0
        home.kill_emulator()
        await client.until(lambda: all_are(FeedStatus.STALE), "all to be stale", 20)
        assert all("disconnected" in feeds[name].reason for name in NAMES)
        home.start_emulator("--venues=all", port=state["port"])
        await client.until(lambda: all_are(FeedStatus.LIVE), "all to be back", 60)
