"""Alpaca's own SDK as a client (it speaks msgpack); only its URLs are changed."""

import asyncio
import datetime as dt
import warnings

import pytest

pytest.importorskip("alpaca", reason="alpaca-py is not installed")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it still imports websockets.legacy
    from alpaca.data.historical.crypto import CryptoHistoricalDataClient
    from alpaca.data.historical.stock import StockHistoricalDataClient
    from alpaca.data.live.crypto import CryptoDataStream
    from alpaca.data.live.stock import StockDataStream
    from alpaca.data.requests import (
        CryptoBarsRequest,
        CryptoLatestOrderbookRequest,
        StockBarsRequest,
        StockLatestQuoteRequest,
    )
    from alpaca.data.timeframe import TimeFrame
    from alpaca.trading.client import TradingClient

pytestmark = pytest.mark.filterwarnings("ignore")
VENUES = ("alpaca",)
KEYS = {"api_key": "k" * 32, "secret_key": "s" * 32}


async def test_history_and_latest(world):
    base = world.urls()["alpaca"]["rest"]
    stocks = StockHistoricalDataClient(**KEYS, url_override=base)
    coins = CryptoHistoricalDataClient(url_override=base)
    start = dt.datetime.now(dt.UTC) - dt.timedelta(hours=40)

    def ask():
        asked = StockBarsRequest(
            symbol_or_symbols=["AAPL", "SPY"], timeframe=TimeFrame.Minute, start=start
        )
        hourly = CryptoBarsRequest(
            symbol_or_symbols="BTC/USD", timeframe=TimeFrame.Hour, start=start
        )
        latest = StockLatestQuoteRequest(symbol_or_symbols="AAPL")
        book = CryptoLatestOrderbookRequest(symbol_or_symbols="BTC/USD")
        return (
            stocks.get_stock_bars(asked),
            coins.get_crypto_bars(hourly),
            stocks.get_stock_latest_quote(latest)["AAPL"],
            coins.get_crypto_latest_orderbook(book)["BTC/USD"],
        )

    bars, hourly, quote, book = await asyncio.to_thread(ask)
    assert len(bars["AAPL"]) > 2_300
    assert len(hourly["BTC/USD"]) >= 40
    assert quote.bid_price < quote.ask_price
    assert book.bids[0].price < book.asks[0].price


async def test_clock_calendar_and_assets(world):
    base = world.urls()["alpaca"]["rest"]
    trading = TradingClient(**KEYS, url_override=base)

    def ask():
        return trading.get_clock(), trading.get_calendar(), trading.get_all_assets()

    clock, calendar, assets = await asyncio.to_thread(ask)
    assert clock.is_open
    assert len(calendar) > 20
    assert "AAPL" in {asset.symbol for asset in assets}


async def run_until(stream, enough):
    """Run the SDK's own loop until enough came."""
    running = asyncio.create_task(stream._run_forever())
    try:
        await asyncio.wait_for(enough.wait(), 30)
    finally:
        # A message that comes just then makes wait_for of 3.11 swallow a cancellation.
        while not running.done():
            running.cancel()
            await asyncio.wait({running}, timeout=0.5)
        await stream.close()


async def test_stock_stream(world):
    stream = StockDataStream(**KEYS, url_override=world.urls()["alpaca"]["stock"])
    seen, enough = [], asyncio.Event()

    async def on_trade(trade):
        seen.append(trade)
        if len(seen) == 3:
            enough.set()

    stream.subscribe_trades(on_trade, "AAPL", "SPY")
    await run_until(stream, enough)
    assert {trade.symbol for trade in seen} <= {"AAPL", "SPY"}
    assert all(trade.price > 0 and trade.timestamp.tzinfo for trade in seen)


async def test_crypto_book_stream(world):
    stream = CryptoDataStream(**KEYS, url_override=world.urls()["alpaca"]["crypto"])
    seen, enough = [], asyncio.Event()

    async def on_book(book):
        seen.append(book)
        if len(seen) == 3:
            enough.set()

    stream.subscribe_orderbooks(on_book, "BTC/USD")
    await run_until(stream, enough)
    assert seen[0].reset
    assert not seen[1].reset
    assert seen[0].bids[0].price < seen[0].asks[0].price
