"""Other readers of the recorded captures, as far as each can read one."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import time
import types
from collections.abc import AsyncIterator
from typing import Any, Final, Protocol

from bench.captures import Capture, Kind, batches, quiet
from core.model.instruments import Instrument

CRYPTOFEED: Final = {"bybit": "Bybit", "coinbase": "Coinbase", "okx": "OKX"}
"""The venues whose captures cryptofeed 2.4 reads: of Coinbase it knows the Advanced protocol only,
Kraken's first one only, and Binance, Deribit and KuCoin it asks for images over REST first."""
CCXT: Final = {"bybit": "bybit", "coinbase": "coinbase", "deribit": "deribit", "okx": "okx"}


class Peer(Protocol):
    """Another reader of a capture."""

    def kinds(self) -> set[Kind]:
        """Return the kinds of message of which it says something."""

    def read(self, known: set[Kind]) -> float:
        """Read every message and return the seconds those of the known kinds took."""

    def top(self, item: Instrument) -> tuple[float, float] | None:
        """Return the best prices of a book after `read`, None where it holds none."""


class Cryptofeed:
    def __init__(self, capture: Capture) -> None:
        import cryptofeed.exchanges
        from cryptofeed.symbols import Symbols

        self._capture = capture
        self._kind = getattr(cryptofeed.exchanges, CRYPTOFEED[capture.kind])
        self._names = {
            _plain(item): item for item in capture.instruments if item.kind.value != "index"
        }
        Symbols.set(
            self._kind.id,
            {name: item.venue_symbol for name, item in self._names.items()},
            {
                "instrument_type": {name: _type(item) for name, item in self._names.items()},
                "tick_size": {name: str(item.price_tick) for name, item in self._names.items()},
            },
        )
        self._told = 0

    def _feed(self) -> Any:
        from cryptofeed.defines import CANDLES, FUNDING, L2_BOOK, OPEN_INTEREST, TICKER, TRADES

        async def take(*event: object) -> None:
            self._told += 1

        all_ = (L2_BOOK, TICKER, TRADES, CANDLES, FUNDING, OPEN_INTEREST)
        wanted = [channel for channel in all_ if channel in self._kind.websocket_channels]
        return self._kind(
            symbols=list(self._names), channels=wanted, callbacks=dict.fromkeys(wanted, take),
            checksum_validation=True, candle_closed_only=False,
        )  # fmt: skip

    def kinds(self) -> set[Kind]:
        feed, found = self._feed(), set()

        async def loop() -> None:
            for kind, text in zip(self._capture.kinds, self._capture.texts, strict=True):
                before = self._told
                await feed.message_handler(text, _LINE, 1.0)
                if self._told > before:
                    found.add(kind)

        asyncio.run(loop())
        return found

    def read(self, known: set[Kind]) -> float:
        feed = self._last = self._feed()
        stretches = _stretches(self._capture, known)

        async def loop() -> float:
            spent = 0.0
            handle = feed.message_handler
            for counted, kept in stretches:
                texts = [text.encode().decode() for text in kept]
                started = time.thread_time()
                for text in texts:
                    await handle(text, _LINE, 1.0)
                if counted:
                    spent += time.thread_time() - started
            return spent

        with quiet():
            return asyncio.run(loop())

    def top(self, item: Instrument) -> tuple[float, float] | None:
        book = self._last._l2_book.get(_plain(item))
        if book is None or not len(book.book.bids) or not len(book.book.asks):
            return None
        return float(book.book.bids.index(0)[0]), float(book.book.asks.index(0)[0])


_LINE = types.SimpleNamespace(
    uuid="bench", address="wss://stream.bybit.com/v5/public/linear", subscription={}
)
"""What cryptofeed looks up of a connection."""


class Ccxt:
    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def kinds(self) -> set[Kind]:
        found: set[Kind] = set()

        async def body() -> None:
            async with self._exchange() as (_, client):
                told = 0
                resolve = client.resolve

                def noted(result: object, name: object) -> object:
                    nonlocal told
                    told += 1
                    return resolve(result, name)

                client.resolve = noted
                for kind, text in zip(self._capture.kinds, self._capture.texts, strict=True):
                    before = told
                    client.handle_text_or_binary_message(text)
                    if told > before:
                        found.add(kind)

        asyncio.run(body())
        return found

    def read(self, known: set[Kind]) -> float:
        stretches = _stretches(self._capture, known)

        async def body() -> float:
            spent = 0.0
            async with self._exchange() as (self._last, client):
                handle = client.handle_text_or_binary_message
                with quiet():
                    for counted, kept in stretches:
                        texts = [text.encode().decode() for text in kept]
                        started = time.thread_time()
                        for text in texts:
                            handle(text)
                        if counted:
                            spent += time.thread_time() - started
            return spent

        return asyncio.run(body())

    def top(self, item: Instrument) -> tuple[float, float] | None:
        book = self._last.orderbooks.get(self._last.safe_symbol(item.venue_symbol))
        if book is None:
            return None
        book.limit()
        if not book["bids"] or not book["asks"]:
            return None
        return float(book["bids"][0][0]), float(book["asks"][0][0])

    @contextlib.asynccontextmanager
    async def _exchange(self) -> AsyncIterator[tuple[Any, Any]]:
        import ccxt.pro

        exchange = getattr(ccxt.pro, CCXT[self._capture.kind])()
        try:
            exchange.set_markets(
                [
                    exchange.safe_market_structure(_market(item))
                    for item in self._capture.instruments
                ]
            )
            client = exchange.client("wss://example.invalid/v5/public/linear")
            _subscribe(exchange, client, self._capture)
            with contextlib.redirect_stdout(io.StringIO()):
                yield exchange, client
        finally:
            await exchange.close()


def _stretches(capture: Capture, known: set[Kind]) -> list[tuple[bool, list[str]]]:
    pairs = zip(capture.kinds, capture.texts, strict=True)
    return [
        (counted, [text for _, text in few])
        for counted, stretch in itertools.groupby(pairs, lambda pair: pair[0] in known)
        for few in batches(stretch)
    ]


def _plain(item: Instrument) -> str:
    if item.kind.value == "spot":
        return f"{item.base}-{item.quote}"
    return f"{item.base}-{item.quote}-{item.venue_symbol}"


def _type(item: Instrument) -> str:
    return {"future": "futures"}.get(item.kind.value, item.kind.value)


def _subscribe(exchange: Any, client: Any, capture: Capture) -> None:
    """Make ccxt believe it asked for the books, or it leaves their messages unread."""
    for item in capture.instruments:
        symbol = exchange.safe_symbol(item.venue_symbol)
        for name in (f"orderbook:{symbol}", f"books-l2-tbt:{symbol}", f"books:{symbol}"):
            client.subscriptions[name] = {"limit": 400, "symbol": symbol}


def _market(item: Instrument) -> dict[str, object]:
    spot = item.kind.value == "spot"
    symbol = (
        f"{item.base}/{item.quote}" if spot else f"{item.base}/{item.quote}:{item.venue_symbol}"
    )
    return {
        "id": item.venue_symbol, "symbol": symbol, "base": item.base, "quote": item.quote,
        "baseId": item.base, "quoteId": item.quote, "type": "spot" if spot else "swap",
        "spot": spot, "swap": not spot, "contract": not spot, "linear": not spot, "active": True,
        "contractSize": 1.0, "settle": item.quote, "settleId": item.quote,
        "precision": {"price": float(item.price_tick), "amount": float(item.size_lot)},
        "limits": {},
    }  # fmt: skip
