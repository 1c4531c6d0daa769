"""Options over real sockets: found by name, polled, and quoted in packed frames."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from core.engine.clock import SystemClock
from core.feeds.alpaca.dialect import AlpacaDialect, make_dialect
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import FrameRejected, OptionGreeks, Quote, Timeframe, Trade
from core.model.settings import FeedSettings
from emulator.app import Emulator


@pytest.fixture
async def still() -> AsyncIterator[Emulator]:
    """A market in which nothing moves by itself."""
    made = Emulator(
        seed=3, api_key="k", api_secret="s", control_token="t", history_days=2, flow=False,
        venues=("alpaca",),
    )  # fmt: skip
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def dialect(still: Emulator) -> AsyncIterator[AlpacaDialect]:
    rest = still.urls()["alpaca"]["rest"]
    made = make_dialect(
        FeedSettings(
            rest_url=rest, stream_url=rest.replace("http://", "ws://"), api_key=SecretStr("k"),
            api_secret=SecretStr("s"),
        ),
        clock=SystemClock(),
    )  # fmt: skip
    yield made
    await made.close()


async def test_options_are_found_by_name_quoted_and_traded(
    still: Any, dialect: AlpacaDialect, desk_of: Any
) -> None:
    desk = await desk_of(dialect)
    chain: list[Instrument] = await desk.feed.chain("AAPL")
    assert {item.kind for item in chain} == {InstrumentKind.OPTION}
    (found,) = await desk.feed.look_up(chain[0].id)
    assert found == chain[0]
    assert await desk.feed.look_up("AAPL-USD-20200117-100-C.alpaca") == []
    assert await desk.feed.look_up("NOTHING-USD.alpaca") == []
    desk.market.add_instruments(chain)
    desk.feed.subscribe([found.id])
    # One quote is polled with the greeks, the other is the stream's.
    await desk.until(lambda: len(desk.of(Quote)) > 1 and desk.of(OptionGreeks))
    await desk.until(lambda: desk.live(found.id))
    house = still.venues["alpaca"].house
    house.desk.option_prints.append(
        (found.venue_symbol, {"t": "2026-11-20T15:00:00Z", "p": 4.2, "s": 3, "x": "C", "c": "a"})
    )
    await desk.until(lambda: desk.of(Trade))
    assert [trade.price_ticks for trade in desk.of(Trade)] == [420]
    assert not desk.of(FrameRejected)
    assert await dialect.history(found, Timeframe.H1, 0, SystemClock().now_ns()) == []
