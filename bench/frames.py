"""Binance frames: bytes to normalised event with the book applied, beside cryptofeed and ccxt.pro.

Ours is the product's own way: `BinanceDecoder.decode` and `MarketState.apply`, which also builds
bars of eight timeframes, keeps trades and checks the book's sequence. The peers are given the same
messages, as text, with their book synchronised beforehand; cryptofeed knows trades in aggTrade form
only, so it gets them in that form. The peers make Decimals and unified dicts where we make integer
ticks: the ratio is one of decode and book, not of equal features.

All take turns, and the ratio is the median of the rounds' own ratios: what else the machine does
meanwhile slows the neighbours of one round alike.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import statistics
import time
from collections.abc import Callable
from decimal import Decimal

from core.engine import market as market_module
from core.engine.market import MarketState
from core.feeds.binance.parse import BINANCE, BinanceDecoder
from core.feeds.binance.told import teller
from core.model.ids import InstrumentId
from core.model.instruments import Instrument

MESSAGES = 20_000
ROUNDS = 15
LEVELS = 20
START_MS = 1_723_161_600_000
START_ID = 50_000_000_000
START_TRADE_ID = 3_735_683_259
INSTRUMENT = Instrument(
    id=InstrumentId("BTC-USDT.binance"),
    venue=BINANCE,
    venue_symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_tick=Decimal("0.01"),
    size_lot=Decimal("0.00001"),
)
IMAGE_URL = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000"


class Traffic:
    """A consistent stream: 55 % bookTicker, 25 % trade, 15 % depth (20 + 20 levels), 5 % kline."""

    def __init__(self, seed: int = 7) -> None:
        self.rng = random.Random(seed)
        self.mid = 6_000_000
        self.update_id = START_ID
        self.trade_id = START_TRADE_ID
        self.bids = {self.mid - 1 - step: self._lots() for step in range(1000)}
        self.asks = {self.mid + 1 + step: self._lots() for step in range(1000)}
        self.image = json.dumps(
            {
                "lastUpdateId": START_ID,
                "bids": [self._level(item) for item in self.bids.items()],
                "asks": [self._level(item) for item in self.asks.items()],
            }
        ).encode()
        self.frames = [self._frame(number) for number in range(MESSAGES)]

    def _frame(self, number: int) -> bytes:
        at = START_MS + number * 20
        kind = self.rng.random()
        if kind < 0.55:
            return self._quote()
        if kind < 0.80:
            return self._trade(at)
        return self._depth(at) if kind < 0.95 else self._kline(at)

    def _quote(self) -> bytes:
        bid, ask = max(self.bids), min(self.asks)
        self.update_id += 1
        data = {
            "u": self.update_id, "s": "BTCUSDT", "b": _price(bid), "B": _size(self._lots()),
            "a": _price(ask), "A": _size(self._lots()),
        }  # fmt: skip
        return _frame("bookTicker", data)

    def _trade(self, at: int) -> bytes:
        sold = self.rng.random() < 0.5
        price = max(self.bids) if sold else min(self.asks)
        self.trade_id += 1
        data = {
            "e": "trade", "E": at + 1, "s": "BTCUSDT", "t": self.trade_id,
            "p": _price(price), "q": _size(self._lots()), "T": at, "m": sold, "M": True,
        }  # fmt: skip
        return _frame("trade", data)

    def _depth(self, at: int) -> bytes:
        first = self.update_id + 1
        # Nothing may be left out between two depth messages, so the quotes' ids are covered too.
        first, self.depth_id = getattr(self, "depth_id", START_ID) + 1, self.update_id + LEVELS
        self.update_id = self.depth_id
        self.mid += self.rng.choice((-1, 0, 0, 1))
        data = {
            "e": "depthUpdate", "E": at, "s": "BTCUSDT", "U": first, "u": self.update_id,
            # Best first, as the venue sends them.
            "b": [self._level(item) for item in sorted(self._changes(self.bids, -1).items())[::-1]],
            "a": [self._level(item) for item in sorted(self._changes(self.asks, 1).items())],
        }  # fmt: skip
        return _frame("depth@100ms", data)

    def _changes(self, side: dict[int, int], sign: int) -> dict[int, int]:
        # What the moving middle has crossed goes, and the touch never runs empty.
        changed = {price: 0 for price in side if (price - self.mid) * sign < 1}
        changed[self.mid + sign] = self._lots()
        while len(changed) < LEVELS:
            price = self.mid + sign * (2 + min(int(self.rng.expovariate(1 / 25)), 900))
            changed[price] = 0 if self.rng.random() < 0.3 else self._lots()
        for price, lots in changed.items():
            if lots:
                side[price] = lots
            else:
                side.pop(price, None)
        return changed

    def _kline(self, at: int) -> bytes:
        opened = at // 60_000 * 60_000
        last = _price(self.mid)
        candle = {
            "t": opened, "T": opened + 59_999, "s": "BTCUSDT", "i": "1m", "f": 1, "L": 100,
            "o": last, "c": last, "h": _price(self.mid + 50), "l": _price(self.mid - 50),
            "v": _size(self._lots()), "n": 100, "x": False, "q": "1.0", "V": "0.5", "Q": "0.5",
            "B": "0",
        }  # fmt: skip
        return _frame("kline_1m", {"e": "kline", "E": at, "s": "BTCUSDT", "k": candle})

    def _lots(self) -> int:
        return max(1, int(self.rng.lognormvariate(9, 2)))

    @staticmethod
    def _level(level: tuple[int, int]) -> list[str]:
        return [_price(level[0]), _size(level[1])]


def _price(ticks: int) -> str:
    return f"{ticks / 100:.8f}"


def _size(lots: int) -> str:
    return f"{lots / 100_000:.8f}"


def _frame(stream: str, data: dict[str, object]) -> bytes:
    text = {"stream": f"btcusdt@{stream}", "data": data}
    return json.dumps(text, separators=(",", ":")).encode()


def run() -> list[dict[str, object]]:
    """Measure ours and both peers in turn on the same messages."""
    market_module.warm()
    teller()
    traffic = Traffic()
    contenders: dict[str, Callable[[], tuple[float, tuple[float, float]]]] = {
        "ours": lambda: _ours(traffic),
        "cryptofeed": lambda: _cryptofeed(traffic),
        "ccxt": lambda: _ccxt(traffic),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    tops: dict[str, tuple[float, float]] = {}
    for number in range(ROUNDS):
        # Every other round goes backwards, so that none is always the first or the last.
        for name in list(contenders)[:: -1 if number % 2 else 1]:
            spent, tops[name] = contenders[name]()
            times[name].append(spent / MESSAGES * 1e6)
    if len(set(tops.values())) != 1:
        raise AssertionError(f"the books differ at the end: {tops}")
    ours = statistics.median(times["ours"])
    rows: list[dict[str, object]] = [
        _row(f"mixed frames to event and book, against {peer}", times["ours"], times[key], target)
        for peer, key, target in (
            ("cryptofeed's handler", "cryptofeed", 8.0),
            ("ccxt.pro", "ccxt", 20.0),
        )
    ]
    rows.append(
        {
            "name": "mixed frames to event and book, a message",
            "ours": ours,
            "peer": None,
            "ratio": None,
            "target": "aim <= 1 us",
            "unit": "us",
            "ok": ours <= 1.0,
        }
    )
    return rows


def _row(name: str, ours: list[float], peer: list[float], target: float) -> dict[str, object]:
    ratio = statistics.median(theirs / mine for theirs, mine in zip(peer, ours, strict=True))
    return {
        "name": name, "ours": statistics.median(ours), "peer": statistics.median(peer),
        "ratio": ratio, "target": f">= {target:g}x",
        "unit": "us/message", "ok": ratio >= target,
    }  # fmt: skip


def _ours(traffic: Traffic) -> tuple[float, tuple[float, float]]:
    decoder = BinanceDecoder(BINANCE, [INSTRUMENT])
    market = MarketState([INSTRUMENT], {BINANCE: decoder.rule}, eager=True, lend=decoder.lend)
    start_ns = START_MS * 1_000_000
    decode, apply = decoder.decode, market.apply
    for event in decode("http", 0, start_ns, IMAGE_URL, traffic.image):
        apply(event)

    frames = traffic.frames

    def loop() -> None:
        for now_ns, data in enumerate(frames, start_ns):
            for event in decode("recv", 0, now_ns, "", data):
                apply(event)

    spent = _timed(loop)
    assert market.trusted(INSTRUMENT.id)
    book = market.book(INSTRUMENT.id)
    return spent, ((book.best_bid or 0) / 100, (book.best_ask or 0) / 100)


def _cryptofeed(traffic: Traffic) -> tuple[float, tuple[float, float]]:
    from cryptofeed.defines import CANDLES, L2_BOOK, TICKER, TRADES
    from cryptofeed.exchanges import Binance
    from cryptofeed.symbols import Symbols
    from cryptofeed.types import OrderBook

    Symbols.set(
        "BINANCE", {"BTC-USDT": "BTCUSDT"},
        {"tick_size": {"BTC-USDT": "0.01"}, "instrument_type": {"BTC-USDT": "spot"}},
    )  # fmt: skip

    async def take(event: object, receipt_timestamp: float) -> None:
        """Be the reader of an event."""

    channels = (L2_BOOK, TICKER, TRADES, CANDLES)
    feed = Binance(
        symbols=["BTC-USDT"],
        channels=list(channels),
        callbacks=dict.fromkeys(channels, take),
        candle_closed_only=False,
    )
    image = json.loads(traffic.image)
    feed._reset()
    feed.last_update_id["BTC-USDT"] = image["lastUpdateId"]
    book = feed._l2_book["BTC-USDT"] = OrderBook(
        "BINANCE",
        "BTC-USDT",
        bids={Decimal(price): Decimal(size) for price, size in image["bids"]},
        asks={Decimal(price): Decimal(size) for price, size in image["asks"]},
    )
    book.delta = {}
    texts = [_as_aggregate(data) for data in traffic.frames]

    async def loop() -> None:
        for text in texts:
            await feed.message_handler(text, None, 1.0)

    with asyncio.Runner() as runner:
        runner.get_loop()  # making it is not theirs to answer for
        spent = _timed(lambda: runner.run(loop()))
    ladder = feed._l2_book["BTC-USDT"].book
    return spent, (float(ladder.bids.index(0)[0]), float(ladder.asks.index(0)[0]))


def _as_aggregate(data: bytes) -> str:
    text = data.decode()
    if '"e":"trade"' not in text:
        return text
    text = text.replace("@trade", "@aggTrade").replace('"e":"trade"', '"e":"aggTrade"')
    return text.replace('"t":', '"f":1,"l":1,"a":')


def _ccxt(traffic: Traffic) -> tuple[float, tuple[float, float]]:
    import ccxt.pro

    async def measure() -> tuple[float, tuple[float, float]]:
        exchange = ccxt.pro.binance()
        try:
            fields = {
                "id": "BTCUSDT", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT",
                "baseId": "BTC", "quoteId": "USDT", "type": "spot", "spot": True, "active": True,
                "precision": {"price": 0.01, "amount": 0.00001}, "limits": {},
            }  # fmt: skip
            exchange.set_markets([exchange.safe_market_structure(fields)])
            client = exchange.client("wss://stream.binance.com:9443/stream")
            image = json.loads(traffic.image)
            book = exchange.order_book({})
            book.reset(exchange.parse_order_book(image, "BTC/USDT"))
            book["nonce"] = image["lastUpdateId"]
            exchange.orderbooks["BTC/USDT"] = book
            texts = [data.decode() for data in traffic.frames]

            def loop() -> None:
                for text in texts:
                    client.handle_text_or_binary_message(text)

            spent = _timed(loop)
            book.limit()
            return spent, (book["bids"][0][0], book["asks"][0][0])
        finally:
            await exchange.close()

    return asyncio.run(measure())


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
