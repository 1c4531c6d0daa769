"""Every venue's recorded capture: bytes to event with the book applied, beside the peers.

Ours is the product's own way: the venue's decoder and `MarketState.apply`, which also builds bars,
keeps trades and checks sequence and checksum. cryptofeed's handler and ccxt.pro's get the same
messages as text, as far as each can read the capture; what a peer does not read is left out for
both. Messages of more than `HEAVY` levels are book images or nearly so: they are told by the level.

All take turns, and a ratio is the median of the rounds' own ratios: what else the machine does
meanwhile slows the neighbours of one round alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import logging
import os
import statistics
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.backtest.replay import unlisted
from core.engine import market as market_module
from core.engine.market import MarketState
from core.feeds import levels
from core.feeds.registry import make_decoder
from core.model.instruments import Instrument
from core.model.market import BookDelta, BookSnapshot
from core.model.ports import TapeDecoder
from core.wire.tape_reader import TapeFrame, TapeReader

ROUNDS = 5
HEAVY = 60
TARGET_US = 2.0
CAPTURES = {
    "binance": "binance_spot/capture_mixed_20211012",
    "binance_usdm": "binance_usdm/capture_mixed_20210722",
    "bybit": "bybit_v5/capture_linear_20260809",
    "coinbase": "coinbase_advanced/capture_btc_eth_20260809_first_half",
    "coinbase_exchange": "coinbase_exchange/capture_level2_20210417_a",
    "deribit": "deribit/capture_options_20210722",
    "kucoin": "kucoin/capture_level2_20210425_a",
    "okx": "okx/capture_tbt10_20210722",
}
CRYPTOFEED = {
    "bybit": "Bybit",
    "coinbase": "Coinbase",
    "coinbase_exchange": "Coinbase",
    "okx": "OKX",
}
"""The venues whose captures cryptofeed 3 reads without a network: the others ask REST first."""
CCXT = {
    "bybit": "bybit",
    "coinbase": "coinbase",
    "deribit": "deribit",
    "okx": "okx",
}
SKIPPED = {
    "coinbase": (b'"channel":"ticker"', b'"channel":"heartbeats"', b'"channel":"candles"',
                 b'"channel":"subscriptions"'),
}  # fmt: skip
"""Parts of messages a peer has no handler for."""


def run() -> list[dict[str, object]]:
    """Measure each venue, and each peer that reads its capture, in turn."""
    folder = recorded()
    if folder is None:
        return [_missing()]
    market_module.warm()
    levels.warm()
    logging.disable(logging.CRITICAL)
    rows: list[dict[str, object]] = []
    try:
        for kind, name in CAPTURES.items():
            rows += _venue(kind, folder / f"{name}.jsonl.zst")
    finally:
        logging.disable(logging.NOTSET)
    return rows


def recorded() -> Path | None:
    """Return the folder of recorded data, None where it is not."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CLX_RECORDED_DATA", default))
    return folder if folder.is_dir() else None


def _missing() -> dict[str, object]:
    return {
        "name": "captures (no recorded data: set CLX_RECORDED_DATA)", "ours": None, "peer": None,
        "ratio": None, "target": "-", "unit": "", "ok": False,
    }  # fmt: skip


def _venue(kind: str, path: Path) -> list[dict[str, object]]:
    capture = Capture(kind, path)
    light = [capture.ours(heavy=False) for _ in range(ROUNDS)]
    rows = [
        {
            "name": f"{kind}: frame to event and book, {capture.light:,} messages",
            "ours": statistics.median(light), "peer": None, "ratio": None,
            "target": f"<= {TARGET_US:g} us", "unit": "us/message",
            "ok": statistics.median(light) <= TARGET_US,
        }
    ]  # fmt: skip
    if capture.levels:
        heavy = statistics.median(capture.ours(heavy=True) for _ in range(ROUNDS))
        rows.append(
            {
                "name": f"{kind}: book images, {capture.levels:,} levels", "ours": heavy,
                "peer": None, "ratio": None, "target": "<= 0.2 us a level", "unit": "us/level",
                "ok": heavy <= 0.2,
            }
        )  # fmt: skip
    for peer, make, target in (
        ("cryptofeed", _cryptofeed if kind in CRYPTOFEED else None, 8.0),
        ("ccxt.pro", _ccxt if kind in CCXT else None, 20.0),
    ):
        if make is not None:
            rows.append(_against(capture, peer, make, target))
    return rows


def _against(
    capture: Capture, peer: str, make: Callable[[Capture], Callable[[], float]], target: float
) -> dict[str, object]:
    theirs, mine = [], []
    skipped = SKIPPED.get(capture.kind, ())
    for _ in range(ROUNDS):
        measure = make(capture)
        theirs.append(measure())
        mine.append(capture.all_of(skipped))
    ratio = statistics.median(a / b for a, b in zip(theirs, mine, strict=True))
    count = len(capture.messages(skipped))
    return {
        "name": f"{capture.kind}: the whole capture, against {peer}",
        "ours": statistics.median(mine) / count * 1e6,
        "peer": statistics.median(theirs) / count * 1e6,
        "ratio": ratio, "target": f">= {target:g}x", "unit": "us/message", "ok": ratio >= target,
    }  # fmt: skip


class Capture:
    """One recording, read and taught beforehand."""

    def __init__(self, kind: str, path: Path) -> None:
        self.kind = kind
        self.frames = list(TapeReader(path).frames())
        self._finer: dict[str, tuple[int, int]] = {}
        for _ in range(3):
            decoder = self.decoder()
            counts = [self._levels_of(decoder, frame) for frame in self.frames]
            if not decoder.off_step:
                break
            self._finer |= decoder.off_step
        self.instruments = list(decoder.instruments.values())
        self._counts = counts
        self.levels = sum(
            count for frame, count in zip(self.frames, counts, strict=True)
            if frame.kind == "recv" and count > HEAVY
        )  # fmt: skip
        self.light = sum(
            frame.kind == "recv" and count <= HEAVY
            for frame, count in zip(self.frames, counts, strict=True)
        )

    def decoder(self) -> TapeDecoder:
        """Return a fresh decoder that counts finely enough."""
        made = make_decoder(self.kind)
        made.unlisted = lambda symbol: unlisted(symbol, made.venue)
        made.finer = self._finer
        return made

    def messages(self, skipped: Sequence[bytes] = ()) -> list[bytes]:
        """Return the received frames but those that hold one of some parts."""
        return [
            frame.data for frame in self.frames
            if frame.kind == "recv" and not any(part in frame.data for part in skipped)
        ]  # fmt: skip

    def ours(self, *, heavy: bool) -> float:
        """Return microseconds a message of few levels, or a level of messages of many."""
        decoder = self.decoder()
        decoder.add_instruments(self.instruments)
        market = MarketState(self.instruments, {decoder.venue: decoder.rule}, eager=True)
        decode, apply = decoder.decode, market.apply
        spent = 0.0
        stretch: list[TapeFrame] = []

        def flush() -> float:
            def work() -> None:
                for frame in stretch:
                    for event in decode("recv", frame.conn, frame.ts_ns, "", frame.data):
                        apply(event)

            took = _timed(work)
            stretch.clear()
            return took

        for frame, count in zip(self.frames, self._counts, strict=True):
            counted = frame.kind == "recv" and (count > HEAVY) is heavy
            if counted:
                stretch.append(frame)
                continue
            if stretch:
                spent += flush()
            kind: Any = frame.kind
            for event in decode(kind, frame.conn, frame.ts_ns, frame.url, frame.data):
                apply(event)
        if stretch:
            spent += flush()
        return spent / (self.levels if heavy else self.light) * 1e6

    def all_of(self, skipped: Sequence[bytes]) -> float:
        """Return the seconds all received frames take, but those a peer cannot read."""
        decoder = self.decoder()
        decoder.add_instruments(self.instruments)
        market = MarketState(self.instruments, {decoder.venue: decoder.rule}, eager=True)
        decode, apply = decoder.decode, market.apply
        messages = self.messages(skipped)

        def work() -> None:
            for number, data in enumerate(messages, 1):
                for event in decode("recv", 0, number, "", data):
                    apply(event)

        return _timed(work)

    @staticmethod
    def _levels_of(decoder: TapeDecoder, frame: TapeFrame) -> int:
        kind: Any = frame.kind
        events = decoder.decode(kind, frame.conn, frame.ts_ns, frame.url, frame.data)
        return sum(
            len(event.bids) + len(event.asks)
            for event in events
            if isinstance(event, BookDelta | BookSnapshot)
        )


def _cryptofeed(capture: Capture) -> Callable[[], float]:
    import cryptofeed.exchanges
    from cryptofeed.defines import CANDLES, L2_BOOK, TICKER, TRADES
    from cryptofeed.symbols import Symbols

    kind = getattr(cryptofeed.exchanges, CRYPTOFEED[capture.kind])
    names = {_plain(item): item for item in capture.instruments if item.kind.value != "index"}
    Symbols.set(
        kind.id,
        {name: item.venue_symbol for name, item in names.items()},
        {
            "instrument_type": {name: _type(item) for name, item in names.items()},
            "tick_size": {name: str(item.price_tick) for name, item in names.items()},
        },
    )

    async def take(*event: object) -> None:
        """Be the reader of an event."""

    wanted = [c for c in (L2_BOOK, TICKER, TRADES, CANDLES) if c in kind.websocket_channels]
    feed = kind(
        symbols=list(names), channels=wanted, callbacks=dict.fromkeys(wanted, take),
        checksum_validation=False,
    )  # fmt: skip
    texts = [data.decode() for data in capture.messages(SKIPPED.get(capture.kind, ()))]

    line = types.SimpleNamespace(
        uuid="bench", address="wss://stream.bybit.com/v5/public/linear", subscription={}
    )

    async def loop() -> None:
        for text in texts:
            await feed.message_handler(text, line, 1.0)

    def measure() -> float:
        with asyncio.Runner() as runner:
            runner.get_loop()  # making it is not theirs to answer for
            return _timed(lambda: runner.run(loop()))

    return measure


def _plain(item: Instrument) -> str:
    if item.kind.value == "spot":
        return f"{item.base}-{item.quote}"
    return f"{item.base}-{item.quote}-{item.venue_symbol}"


def _type(item: Instrument) -> str:
    return {"future": "futures"}.get(item.kind.value, item.kind.value)


def _ccxt(capture: Capture) -> Callable[[], float]:
    import ccxt.pro

    def measure() -> float:
        async def body() -> float:
            exchange = getattr(ccxt.pro, CCXT[capture.kind])()
            try:
                exchange.set_markets(
                    [exchange.safe_market_structure(_market(item)) for item in capture.instruments]
                )
                client = exchange.client("wss://example.invalid/v5/public/linear")
                texts = [data.decode() for data in capture.messages(SKIPPED.get(capture.kind, ()))]
                _subscribe(exchange, client, capture)

                def work() -> None:
                    for text in texts:
                        client.handle_text_or_binary_message(text)

                with contextlib.redirect_stdout(io.StringIO()):
                    return _timed(work)
            finally:
                await exchange.close()

        return asyncio.run(body())

    return measure


def _subscribe(exchange: Any, client: Any, capture: Capture) -> None:
    """Make ccxt believe it asked for the books, or it leaves their messages unread."""
    for item in capture.instruments:
        symbol = exchange.safe_symbol(item.venue_symbol)
        client.subscriptions[f"orderbook:{symbol}"] = {"limit": 400, "symbol": symbol}


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


def _timed(work: Callable[[], None]) -> float:
    """Return the seconds some work took, with the garbage collector off."""
    gc.collect()
    gc.disable()
    try:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started
    finally:
        gc.enable()
