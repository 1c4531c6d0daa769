"""Books that kernels change straight are those that events would have made of the same frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest

from core.backtest.replay import unlisted
from core.engine.market import MarketState
from core.engine.steady import Desk
from core.feeds.decoder import FeedDecoder
from core.feeds.registry import make_decoder
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import (
    BookDelta,
    DayTicker,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    OptionGreeks,
    Quote,
)
from core.wire.tape_reader import TapeFrame, TapeReader

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


SPARED = BookDelta | DayTicker | OpenInterest | OptionGreeks | Quote | MarkPrice
"""What need not be told where a desk is lent."""


class Reading:
    """A decoder and its market, fed the same frames as another."""

    def __init__(self, kind: str, taught: FeedDecoder, *, lent: bool) -> None:
        self.decoder = made(kind, taught.finer | taught.off_step)
        self.instruments = list(taught.instruments.values())
        self.decoder.add_instruments(self.instruments)
        lend = self.decoder.lend if lent else None
        rules = {self.decoder.venue: self.decoder.rule}
        self.market = MarketState(self.instruments, rules, eager=True, lend=lend)

    def take(self, frame: TapeFrame) -> list[object]:
        """Return what is told of a frame and follows from it, but for what may be spared."""
        out: list[object] = []
        for event in decoded(self.decoder, frame):
            if not isinstance(event, SPARED):
                out.append(repr(event))
            out += self.market.apply(event)
        return out

    def state(self) -> list[object]:
        views = [self.market.feed_view(item.id) for item in self.market.followed()]
        known = self.market.references
        stated = [
            repr((known.view(name), known.ticker(name), known.greeks(name)))
            for name in (item.id for item in self.instruments)
        ]
        names = [item.id for item in self.market.followed()]
        best = [(self.market.quote(name), self.market.top(name)) for name in names]
        frames = [self.market.quality(name, 1).frames for name in names]
        books = [self.market.state_digest(), self.market.checksums()]
        return [*books, *views, *stated, *best, *frames]


def made(kind: str, finer: dict[str, tuple[int, int]]) -> FeedDecoder:
    decoder = make_decoder(kind)
    assert isinstance(decoder, FeedDecoder)
    decoder.unlisted = lambda symbol: unlisted(symbol, decoder.venue)
    decoder.finer = finer
    return decoder


def decoded(decoder: FeedDecoder, frame: TapeFrame) -> list[MarketEvent]:
    kind = frame.kind
    return list(decoder.decode(kind, frame.conn, frame.ts_ns, frame.url, frame.data))  # type: ignore[arg-type]  # a kind


def troubled(frames: list[TapeFrame], random: Random) -> Iterator[TapeFrame]:
    """Lose, repeat and mangle a few messages of the stream."""
    for frame in frames:
        chance = random.random() if frame.kind == "recv" else 1.0
        if chance < 0.004:
            continue
        if chance < 0.008:
            yield frame
        if chance < 0.012 and frame.data:
            data = bytearray(frame.data)
            data[random.randrange(len(data))] = random.randrange(32, 127)
            yield msgspec.structs.replace(frame, data=bytes(data))
            continue
        yield frame


@pytest.mark.parametrize("trouble", [False, True])
@pytest.mark.parametrize("kind", CAPTURES)
def test_a_lent_desk_changes_nothing_but_the_way(kind: str, trouble: bool, recorded: Path) -> None:
    frames = list(TapeReader(recorded / f"{CAPTURES[kind]}.jsonl.zst").frames())[:2500]
    taught = made(kind, {})
    for frame in frames:
        decoded(taught, frame)
    told, straight = (Reading(kind, taught, lent=lent) for lent in (False, True))
    for number, frame in enumerate(troubled(frames, Random(7)) if trouble else frames):
        assert straight.take(frame) == told.take(frame)
        if number % 250 == 0:
            assert straight.state() == told.state()
            now_ns = frame.ts_ns
            assert straight.market.on_timer(now_ns) == told.market.on_timer(now_ns)
    assert straight.state() == told.state()
    assert told.market.straight() == 0
    assert straight.market.straight() > 10


def test_a_desk_is_left_alone_while_steps_are_counted_otherwise() -> None:
    decoder = made("bybit", {})
    item = unlisted("BTCUSDT", decoder.venue)
    assert item is not None
    item = msgspec.structs.replace(item, kind=InstrumentKind.PERPETUAL)
    finer = msgspec.structs.replace(item, price_tick=item.price_tick / 10)
    market = MarketState(
        [item], {decoder.venue: decoder.rule}, eager=True, lend=decoder.lend
    )  # fmt: skip

    def told(u: int, price: str) -> int:
        kind = "snapshot" if u == 1 else "delta"
        text = (
            f'{{"topic":"orderbook.50.BTCUSDT","type":"{kind}","ts":{u},"data":{{"s":"BTCUSDT",'
            f'"b":[["{price}","1"]],"a":[],"u":{u},"seq":{u}}},"cts":{u}}}'
        )
        events = decoder.decode("recv", 1, u, "", text.encode())
        for event in events:
            market.apply(event)
        return len(events)

    def best() -> object:
        top = market.book(item.id).best_bid
        return top and market.instrument(item.id).price(top)

    decoder.add_instruments([item])
    # An image, and changes that go on from it.
    assert [told(u, f"{99 + u}") for u in range(1, 5)] == [1, 0, 0, 0]
    assert (market.straight(), best()) == (3, 103)
    decoder.add_instruments([finer])
    assert told(5, "104") == 1
    assert market.straight() == 3
    market.add_instruments([finer])
    assert [told(u, f"{99 + u}") for u in (1, 2, 3)] == [1, 0, 0]
    assert (market.straight(), best()) == (2, 102)


def test_a_desk_outlives_its_gate() -> None:
    decoder = made("okx", {})
    item = unlisted("BTC-USDT", decoder.venue)
    assert item is not None
    lent: list[Desk] = []

    def lend(instrument: Instrument, desk: Desk) -> None:
        lent.append(desk)

    market = MarketState([item], {decoder.venue: decoder.rule}, eager=True, lend=lend)
    market.book(item.id)
    place = market._gates[item.id].book.place
    market.add_instruments([msgspec.structs.replace(item, price_tick=item.price_tick / 10)])
    assert len(lent) == 2
    assert lent[0]._book.place == place != lent[1]._book.place
