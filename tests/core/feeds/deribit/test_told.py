"""What the kernel tells at once is what the decoder makes of the same messages."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backtest.replay import unlisted
from core.feeds.deribit.decoder import DeribitDecoder
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import BookDelta, DayTicker, MarketEvent, OpenInterest, Quote, Trade
from core.wire.tape_reader import TapeReader

HEAD = '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"'
STATS = '{"volume":16.7,"price_change":null,"low":0.009,"high":0.0110}'


class SlowDecoder(DeribitDecoder):
    """Reads everything with the slower parser."""

    def scanned(self, conn: int, ts_recv_ns: int, data: bytes) -> None:
        """Take nothing."""
        return


def item(symbol: str, *, inverse: bool) -> Instrument:
    return Instrument(
        id=InstrumentId(f"{symbol}.deribit"), venue=VenueName("deribit"), venue_symbol=symbol,
        base="BTC", quote="USD", price_tick=Decimal("0.5"), size_lot=Decimal(10), inverse=inverse,
        kind=InstrumentKind.PERPETUAL, settle="BTC",
    )  # fmt: skip


ITEMS = [item("BTC-PERPETUAL", inverse=True), item("BTC-2", inverse=False)]


def trade(number: int, symbol: str = "BTC-PERPETUAL", **more: Any) -> dict[str, Any]:
    row = {
        "trade_seq": number, "trade_id": str(number), "timestamp": 1590484255886 + number,
        "tick_direction": 0, "price": 8950.5, "mark_price": 8948.9, "instrument_name": symbol,
        "index_price": 8955.88, "direction": "sell" if number % 3 else "buy", "amount": 10.0,
    }  # fmt: skip
    return row | more


def trades(*rows: dict[str, Any]) -> str:
    data = json.dumps(rows, separators=(",", ":"))
    return f'{HEAD}trades.BTC-PERPETUAL.raw","data":{data}}}}}'


def ticker(symbol: str, stats: str, interest: str, last: str) -> str:
    return (
        f'{HEAD}ticker.{symbol}.100ms","data":{{"timestamp":1765541474086,"stats":{stats},'
        f'"instrument_name":"{symbol}","last_price":{last},"open_interest":{interest},'
        '"mark_price":92281.10,"best_ask_price":92284.0,"best_bid_price":92283.5,'
        '"best_ask_amount":186520.0,"best_bid_amount":117660}}}'
    )


def told(events: Any) -> list[str]:
    return [
        repr({name: plain(value) for name, value in msgspec.structs.asdict(event).items()})
        for event in events
    ]


def plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def agree(*messages: str) -> list[list[MarketEvent]]:
    """Give messages to both ways, which must say the same; return what they said."""
    ways = DeribitDecoder(instruments=ITEMS), SlowDecoder(instruments=ITEMS)
    out = []
    for message in messages:
        quick, slow = (list(way.decode("recv", 1, 77, "", message.encode())) for way in ways)
        assert told(quick) == told(slow)
        assert ways[0].lacks("BTC-PERPETUAL") == ways[1].lacks("BTC-PERPETUAL")
        out.append(quick)
    return out


def at_once(decoder: DeribitDecoder, message: str) -> Any:
    return decoder._tell(message.encode(), decoder._desk_at, 1, 77)


def test_trades_of_one_message_are_told_at_once_while_none_is_left_out() -> None:
    decoder = DeribitDecoder(instruments=ITEMS)
    first = at_once(decoder, trades(trade(7), trade(8)))
    assert [(event.trade_id, event.buyer_is_maker) for event in first] == [(7, True), (8, True)]
    assert at_once(decoder, trades(trade(9)))[0] == Trade(
        InstrumentId("BTC-PERPETUAL.deribit"), 1590484255895000000, 77, 17901, 1, False, 9
    )
    assert at_once(decoder, trades(trade(11))) is None
    assert decoder.decode("recv", 1, 77, "", trades(trade(11)).encode())
    assert decoder.lacks("BTC-PERPETUAL") == (10, 10)
    assert at_once(decoder, trades(trade(12))) is not None


@pytest.mark.parametrize(
    "message",
    [
        trades(trade(6)), trades(trade(4)), trades(trade(5), trade(5)), trades(),
        trades(trade(5, liquidation="T")), trades(trade(5, direction="hold")),
        trades(trade(5, price=8950.25)), trades(trade(5, amount=0)), trades(trade(5, price=-1.5)),
        trades(trade(5), trade(1, "BTC-2")), trades(trade(5, "XXX")), trades(trade(5)) + " ",
        trades(trade(5, timestamp=9_654_161_839_367)), trades(trade(5, legs=[{"price": 1}])),
        trades(trade(5)).replace('"price"', '"prices"'), trades(trade(5))[:-1],
    ],
    ids=range(16),
)  # fmt: skip
def test_odd_trades_are_left_to_the_slower_parser(message: str) -> None:
    decoder = DeribitDecoder(instruments=ITEMS)
    assert at_once(decoder, trades(trade(4)))
    assert at_once(decoder, message) is None
    agree(trades(trade(4)), message, trades(trade(5)), trades(trade(6)))


@given(st.data())
def test_mangled_trades_are_read_or_refused_alike(data: st.DataObject) -> None:
    message = bytearray(trades(trade(5), trade(6)).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(len(HEAD), len(message) - 1))
        message[at] = data.draw(st.sampled_from(b'0123456789.,:"[]{}eE-+ bnutx\\'))
    ways = DeribitDecoder(instruments=ITEMS), SlowDecoder(instruments=ITEMS)
    for raw in (trades(trade(4)).encode(), bytes(message), trades(trade(7)).encode()):
        mine, theirs = (way.decode("recv", 1, 77, "", raw) for way in ways)
        assert told(mine) == told(theirs)


def test_interest_and_day_are_told_once_whichever_way_reads_them() -> None:
    fresh = [
        ticker(symbol, stats, interest, last)
        for symbol in ("BTC-PERPETUAL", "BTC-2")
        for stats in (STATS, "null", '{"volume":0,"volume_usd":5.50,"low":1,"high":2,"x":[]}', "{}")
        for interest, last in (("7", "92281.0"), ("7.5", "null"), ("null", "0.0010"), ("70.5", "1"))
    ]  # fmt: skip
    spaced = [json.dumps(json.loads(message)) for message in fresh]
    out = agree(*(message for pair in zip(fresh, spaced, fresh, strict=True) for message in pair))
    assert [type(event) for event in out[0]][2:] == [OpenInterest, DayTicker]
    assert len(out[0]) == 4
    quiet = [type(event) for event in out[2]]
    assert Quote in quiet
    assert OpenInterest not in quiet
    agree(*fresh, *reversed(fresh))


def test_what_both_ways_remember_of_a_day_is_the_same() -> None:
    (quick, slow) = (DeribitDecoder(instruments=ITEMS), SlowDecoder(instruments=ITEMS))
    for stats in (STATS, "null", '{"volume":1}', '{"a":1}', STATS.replace("16.7", "1" * 200)):
        for decoder in (quick, slow):
            decoder.decode("recv", 1, 77, "", ticker("BTC-2", stats, "7", "9").encode())
        mine, theirs = (way._deribit("BTC-2") for way in (quick, slow))
        assert mine.stats == theirs.stats == stats.encode()
        assert (mine.interest, mine.last) == (theirs.interest, theirs.last) == (7.0, 9.0)


def test_recorded_sessions_are_read_alike(recorded: Path) -> None:
    paths = [
        *sorted((recorded / "deribit").glob("capture_*.jsonl.zst")),
        *sorted((recorded / "edge_cases").glob("deribit_*.jsonl.zst")),
    ]
    for path in paths:
        frames = list(TapeReader(path).frames())
        finer: dict[str, tuple[int, int]] = {}
        for _ in range(2):
            quick, slow = session(DeribitDecoder(), finer), session(SlowDecoder(), finer)
            kinds = set()
            for frame in frames:
                parts: Any = frame.kind, frame.conn, frame.ts_ns, frame.url, frame.data
                mine, theirs = quick.decode(*parts), slow.decode(*parts)
                assert told(mine) == told(theirs)
                kinds |= {type(event) for event in mine}
            finer = dict(slow.off_step)
        assert kinds >= {Quote, BookDelta, DayTicker}
    assert len(paths) > 2


def session(decoder: DeribitDecoder, finer: dict[str, tuple[int, int]]) -> DeribitDecoder:
    decoder.unlisted = lambda symbol: unlisted(symbol, decoder.venue)
    decoder.finer = finer
    return decoder
