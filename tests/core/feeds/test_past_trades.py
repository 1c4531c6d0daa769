"""Past trades of venues the emulator does not speak for, and holes that are filled in words."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from aiohttp import web

from core.engine.clock import SystemClock
from core.feeds.binance.parse import BinanceDecoder
from core.feeds.binance_usdm.decoder import UsdmDecoder
from core.feeds.bybit.decoder import trade_number
from core.feeds.bybit.trades import TradeHistory as BybitTrades
from core.feeds.coinbase.decoder import CoinbaseDecoder
from core.feeds.coinbase_exchange.trades import TradeHistory as ExchangeTrades
from core.feeds.dialect import Answer
from core.feeds.kraken.decoder import KrakenDecoder
from core.feeds.kucoin.trades import TradeHistory as KucoinTrades
from core.feeds.newest import as_far_as
from core.feeds.refills import MOST_TRADES, Refills
from core.model.errors import DataError, TemporaryError
from core.model.instruments import Instrument
from core.model.market import FrameRejected, Trade
from core.model.stores import PastTrades, TradeHole
from core.wire.http import HttpSession

T0_S = 1_700_000_000
S = 1_000_000_000


def item(venue: str, symbol: str = "BTC-USD") -> Instrument:
    return Instrument(
        id=f"BTC-USD.{venue}", venue=venue, venue_symbol=symbol, base="BTC", quote="USD",
        price_tick=Decimal("0.01"), size_lot=Decimal("0.001"),
    )  # fmt: skip


class Host:
    """Serves what a test puts there, and remembers what was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, str]], Any] = lambda query: []
        self.asked: list[dict[str, str]] = []

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        return web.json_response(self.answer(dict(request.query)))


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    made = Host()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # asyncio's own
    made.http = HttpSession(f"http://127.0.0.1:{port}", clock=SystemClock(), timeout_s=5)  # type: ignore[attr-defined]  # a test's
    yield made
    await made.http.close()  # type: ignore[attr-defined]  # as above
    await runner.cleanup()


# -- Coinbase Exchange: by id, found by time ---------------------------------------------------


def at_s(number: int) -> float:
    """Return when a trade was: a burst in the middle of an even flow."""
    return T0_S + number * 10.0 if number < 3000 else T0_S + 30_000 + (number - 3000) * 0.01


def exchange(newest: int) -> Callable[[dict[str, str]], Any]:
    def answer(query: dict[str, str]) -> Any:
        last = min(int(query.get("after", newest + 1)) - 1, newest)
        ids = range(last, max(0, last - int(query["limit"])), -1)
        return [
            {
                "trade_id": number, "price": "100.01", "size": "0.002",
                "side": "buy" if number % 2 else "sell",
                "time": f"{datetime.fromtimestamp(at_s(number), UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            }
            for number in ids
        ]  # fmt: skip

    return answer


@pytest.mark.parametrize(("first", "last"), [(1, 3), (40, 1500), (2990, 5200), (5990, 6000)])
async def test_exchange_finds_a_time_by_ids_and_pages_every_trade_once(
    host: Any, first: int, last: int
) -> None:
    host.answer = exchange(6000)
    start, end = int(at_s(first) * S), int(at_s(last) * S) + 1
    past = await ExchangeTrades(host.http).trades(item("coinbase_exchange"), start, end)
    assert [trade.trade_id for trade in past.trades] == list(range(first, last + 1))
    assert past.since_ns == start
    assert past.trades[0].buyer_is_maker is (first % 2 == 1), "its side is the resting order's"
    assert len(host.asked) < 40


async def test_exchange_goes_on_where_the_last_stretch_ended_without_a_search(host: Any) -> None:
    host.answer = exchange(6000)
    history = ExchangeTrades(host.http)
    await history.trades(item("coinbase_exchange"), int(at_s(10) * S), int(at_s(500) * S))
    before = len(host.asked)
    past = await history.trades(item("coinbase_exchange"), int(at_s(500) * S), int(at_s(900) * S))
    assert [trade.trade_id for trade in past.trades] == list(range(500, 900))
    assert len(host.asked) - before == 3


async def test_exchange_without_a_trade_in_a_time_gives_none(host: Any) -> None:
    host.answer = exchange(50)
    late = int(at_s(51) * S)
    past = await ExchangeTrades(host.http).trades(item("coinbase_exchange"), late, late + S)
    assert past == PastTrades([], late)


# -- venues that tell the newest few -----------------------------------------------------------


async def test_newest_trades_of_bybit_have_the_streams_ids_and_say_how_far_they_go(
    host: Any,
) -> None:
    rows = [
        {"execId": f"0000-{number}", "symbol": "BTC-USD", "price": "100.01", "size": "0.004",
         "side": "Sell" if number % 2 else "Buy", "time": str((T0_S + number) * 1000)}
        for number in range(60, 0, -1)
    ]  # fmt: skip
    host.answer = lambda query: {"retCode": 0, "retMsg": "OK", "result": {"list": rows}}
    past = await BybitTrades(host.http, trade_number).trades(
        item("bybit"), (T0_S - 100) * S, (T0_S + 31) * S
    )
    assert host.asked[0]["limit"] == "60"
    assert [trade.trade_id for trade in past.trades] == [
        trade_number(f"0000-{number}") for number in range(1, 31)
    ]
    assert past.since_ns == (T0_S + 1) * S + 1
    assert [trade.buyer_is_maker for trade in past.trades[:2]] == [True, False]


async def test_newest_trades_of_kucoin_are_whole_where_there_are_no_more(host: Any) -> None:
    rows = [
        {"sequence": str(number), "price": "100", "size": "0.1", "side": "sell",
         "time": (T0_S + number) * S} for number in range(1, 8)
    ]  # fmt: skip
    host.answer = lambda query: {"code": "200000", "data": rows}
    past = await KucoinTrades(host.http).trades(item("kucoin"), T0_S * S, (T0_S + 5) * S)
    assert [trade.trade_id for trade in past.trades] == [1, 2, 3, 4]
    assert past.since_ns == T0_S * S
    rows[0]["side"] = "none"
    with pytest.raises(DataError, match="a side and a sequence"):
        await KucoinTrades(host.http).trades(item("kucoin"), T0_S * S, (T0_S + 5) * S)


def test_memory_that_begins_after_what_was_asked_for_says_so() -> None:
    trades = [Trade("X", at * S, 0, 1, 1, False, at) for at in (100, 90)]
    assert as_far_as(trades, 0, 50 * S) == PastTrades([], 90 * S + 1)
    assert as_far_as((), 0, 50 * S).since_ns == 50 * S


# -- holes -------------------------------------------------------------------------------------


ANSWERS = {
    "binance": (
        BinanceDecoder, "BTCUSDT", "https://x/api/v3/historicalTrades?symbol=BTCUSDT&fromId=7",
        [{"id": 7, "price": "100.5", "qty": "0.5", "time": T0_S * 1000, "isBuyerMaker": True}],
    ),
    "binance_usdm": (
        UsdmDecoder, "BTCUSDT", "https://x/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=7",
        [{"a": 7, "p": "100.5", "q": "0.5", "f": 70, "l": 71, "T": T0_S * 1000, "m": True}],
    ),
    "kraken": (
        KrakenDecoder, "BTC/USD", "https://x/0/public/Trades?pair=XXBTZUSD&since=1",
        {"error": [], "result": {"XXBTZUSD": [["100.5", "0.5", float(T0_S), "s", "m", "", 7]],
                                 "last": "1"}},
    ),
    "coinbase": (
        CoinbaseDecoder, "BTC-USD", "https://x/api/v3/brokerage/market/products/BTC-USD/ticker?limit=2",
        {"trades": [{"trade_id": "7", "price": "100.5", "size": "0.5", "side": "BUY",
                     "time": "2023-11-14T22:13:20Z"}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("venue", ANSWERS)
def test_answer_that_fills_a_hole_is_read_as_trades_of_the_stream(venue: str) -> None:
    make, symbol, url, body = ANSWERS[venue]
    decoder: Any = make()
    aliases = ("XXBTZUSD",) if venue == "kraken" else ()
    decoder.add_instruments([msgspec.structs.replace(item(venue, symbol), aliases=aliases)])
    (trade,) = decoder.decode("http", 0, 99, url, msgspec.json.encode(body))
    assert isinstance(trade, Trade)
    assert (trade.trade_id, trade.price_ticks, trade.size_lots) == (7, 10_050, 500)
    assert (trade.ts_event_ns, trade.ts_recv_ns, trade.buyer_is_maker) == (T0_S * S, 99, True)
    (bad,) = decoder.decode("http", 0, 99, url, b'[{"nonsense":1}]')
    assert isinstance(bad, FrameRejected)


class Asked:
    """A dialect that fails as told, and remembers the pages asked for."""

    missed_page = 100

    def __init__(self, failures: list[Exception]) -> None:
        self.failures = failures
        self.pages: list[tuple[int, int]] = []

    async def missed(self, instrument: Instrument, hole: TradeHole) -> Answer | None:
        if self.failures:
            raise self.failures.pop(0)
        self.pages.append((hole.first_id, hole.last_id))
        return Answer("url", b"[]")


class Quick(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return 0.0


async def filled(dialect: Asked, holes: list[TradeHole], *, wanted: bool = True) -> list[str]:
    frames: list[str] = []
    refills = Refills(dialect, clock=SystemClock(), rng=Quick())  # type: ignore[arg-type]  # a part of one
    for hole in holes:
        refills.request(item("x").id, hole)
    run = refills.run(
        lambda name: item("x") if wanted else None, lambda kind, *rest: frames.append(kind)
    )
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await run
    return frames


async def test_hole_is_asked_for_page_by_page_through_failures() -> None:
    dialect = Asked([TemporaryError("away"), TemporaryError("away")])
    assert await filled(dialect, [TradeHole(1, 250, 0, 1)]) == ["http"] * 3
    assert dialect.pages == [(1, 100), (101, 200), (201, 250)]


async def test_what_cannot_be_had_is_left_and_the_next_goes_on() -> None:
    dialect = Asked([DataError("no")])
    holes = [TradeHole(1, 50, 0, 1), TradeHole(1, MOST_TRADES + 1, 0, 1), TradeHole(60, 70, 0, 1)]
    assert await filled(dialect, holes) == ["http"]
    assert dialect.pages == [(60, 70)]
    assert await filled(dialect, holes, wanted=False) == []
