"""The scanner takes a message only where the slower parser reads the same of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.feeds.coinbase.decoder import CoinbaseDecoder
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    BookSnapshot,
    DayTicker,
    FrameRejected,
    MarketEvent,
    Quote,
    Trade,
    VenueBar,
)

STAMP = "2026-08-09T21:05:48.483587501Z"


class SlowDecoder(CoinbaseDecoder):
    """Reads everything with the slower parser."""

    def scanned(self, conn: int, ts_recv_ns: int, data: bytes) -> None:
        """Take nothing."""
        return


def item(symbol: str, tick: str, lot: str, *aliases: str) -> Instrument:
    return Instrument(
        id=InstrumentId(f"{symbol}.coinbase"), venue=VenueName("coinbase"), venue_symbol=symbol,
        base=symbol.split("-")[0], quote="USD", price_tick=Decimal(tick), size_lot=Decimal(lot),
        aliases=aliases,
    )  # fmt: skip


ITEMS = [item("BTC-USD", "0.01", "0.00000001", "BTC-USDC"), item("BIT-28AUG26-CDE", "5", "0.25")]


def frame(channel: str, number: int, *events: Any, stamp: str = STAMP, client: bool = False) -> str:
    data = {"channel": channel, "client_id": "", "timestamp": stamp, "sequence_num": number,
            "events": events}  # fmt: skip
    if not client:
        del data["client_id"]
    return json.dumps(data, separators=(",", ":"))


def book(kind: str, number: int, *levels: tuple[str, str, str], symbol: str = "BTC-USD") -> str:
    rows = [
        {"side": side, "event_time": "2026-08-09T21:05:48.170326Z", "price_level": price,
         "new_quantity": size}
        for side, price, size in levels
    ]  # fmt: skip
    event = {"type": kind, "product_id": symbol, "updates": rows}
    return frame("l2_data", number, event, client=number % 2 == 1)


def trades(kind: str, number: int, *ids: int) -> str:
    rows = [
        {"product_id": "BTC-USD" if one % 3 else "BTC-USDC", "trade_id": str(one),
         "price": "65083.67", "size": "0.5", "time": f"2026-08-09T21:05:{one % 60:02}.51Z",
         "side": "SELL" if one % 2 else "BUY"}
        for one in ids
    ]  # fmt: skip
    return frame("market_trades", number, {"type": kind, "trades": rows})


def ticker(number: int, price: str, symbol: str = "BTC-USD", bid: str = "65083.66") -> str:
    row = {
        "type": "ticker", "product_id": symbol, "price": price, "volume_24_h": "2867.54532609",
        "low_24_h": "64675.22", "high_24_h": "65252.99", "low_52_w": "57717.55",
        "high_52_w": "126296", "price_percent_chg_24_h": "-0.09601107287722", "best_bid": bid,
        "best_ask": "65083.67", "best_bid_quantity": "0.20371215",
        "best_ask_quantity": "0.24290402",
    }  # fmt: skip
    return frame("ticker", number, {"type": "update", "tickers": [row]})


def candles(number: int, *starts: int) -> str:
    rows = [
        {"start": str(start), "high": "1916.6", "low": "1915.91", "open": "1916.11",
         "close": "1916.02", "volume": "1390440.260", "product_id": "BTC-USD"}
        for start in starts
    ]  # fmt: skip
    return frame("candles", number, {"type": "snapshot", "candles": rows})


BEAT = frame("heartbeats", 9, {"current_time": "2026-08-09 21:05 m=+1.2", "heartbeat_counter": 7})
LADDER = (("bid", "65083.66", "0.20371215"), ("bid", "65083", "0"), ("offer", "65083.67", "1.50"),
          ("offer", "138991023.41", "12345678.9"))  # fmt: skip
FRAMES = [
    book("snapshot", 0, *LADDER), book("update", 1, *LADDER[:2]), book("update", 2, *LADDER[2:]),
    book("update", 3, ("bid", "65085", "0.25"), symbol="BIT-28AUG26-CDE"),
    trades("snapshot", 4, 13, 12, 11), trades("update", 5, 15), trades("update", 6, 18, 17),
    ticker(7, "65086.18"), ticker(8, "65086.18"), BEAT, candles(10, 1786309200, 1786309500),
    trades("snapshot", 11, 18, 17, 16),
]  # fmt: skip


def plain(events: Any) -> list[Any]:
    out = []
    for event in events:
        fields = msgspec.structs.asdict(event)
        for name in ("bids", "asks"):
            if name in fields:
                fields[name] = fields[name].tolist()
        if isinstance(event, FrameRejected):
            # Objects of undecoded JSON are told with their address.
            fields["reason"] = re.sub("0x[0-9a-f]+", "", event.reason)
        out.append((type(event).__name__, fields))
    return out


def both() -> tuple[CoinbaseDecoder, CoinbaseDecoder]:
    return CoinbaseDecoder(instruments=ITEMS), SlowDecoder(instruments=ITEMS)


def agree(*messages: str | bytes) -> list[list[MarketEvent]]:
    """Give messages to both ways, which must say the same; return what they said."""
    quick, slow = both()
    told = []
    for message in messages:
        data = message if isinstance(message, bytes) else message.encode()
        mine, theirs = (list(way.decode("recv", 1, 77, "", data)) for way in (quick, slow))
        assert plain(mine) == plain(theirs)
        told.append(mine)
    return told


def scanned(decoder: CoinbaseDecoder, message: str) -> Sequence[MarketEvent] | None:
    """Return what is made of a message without the slower parser, None: nothing."""
    data = message.encode()
    told: Sequence[MarketEvent] | None = decoder._tell(data, decoder._desk_at, 1, 77)
    return decoder.leftover(1, 77, data) if told is None else told


def takes(message: str) -> bool:
    return scanned(CoinbaseDecoder(instruments=ITEMS), message) is not None


@pytest.mark.parametrize("message", FRAMES, ids=lambda text: text[12:40])
def test_messages_as_the_venue_writes_them_are_scanned(message: str) -> None:
    assert takes(message)


def test_both_ways_read_a_session_alike() -> None:
    told = agree(*FRAMES, *FRAMES[:4], FRAMES[8])
    kinds = {type(event) for events in told for event in events}
    assert kinds >= {BookSnapshot, BookDelta, Trade, Quote, DayTicker, VenueBar}
    assert not any(isinstance(event, FrameRejected) for events in told for event in events)


@pytest.mark.parametrize(
    "message",
    [
        json.dumps(json.loads(FRAMES[1])), book("update", 1),
        book("update", 1, *reversed(LADDER)), book("patch", 1, *LADDER),
        book("update", 1, *LADDER, symbol="XXX-USD"), FRAMES[1].replace('"0"', '"-1"'),
        FRAMES[1].replace('"65083"', '"0"'), FRAMES[1].replace("65083.66", "65083.661"),
        FRAMES[1].replace("Z", "+01:00"), FRAMES[1].replace("08-09T21", "02-30T21"),
        FRAMES[1].replace('"sequence_num":1', '"sequence_num":01'), FRAMES[1] + " ",
        FRAMES[1][:-1], FRAMES[1].replace('"bid"', '"ask"'),
        FRAMES[1].replace("170326Z", "1\\u005a"),
        trades("update", 5, 10**16), FRAMES[5].replace('"0.5"', '"0"'),
        FRAMES[5].replace("SELL", "sell"), ticker(7, "n/a").replace('"65083.66"', '""'),
        FRAMES[7].replace('"best_bid":"65083.66"', '"best_bid":"1e-000"'),
        candles(10, 10**11), "{}", "[]", "", '{"channel":"', '{"channel":"l2_data"}',
    ],
    ids=range(26),
)  # fmt: skip
def test_what_is_odd_is_left_to_the_slower_parser(message: str) -> None:
    assert not takes(message)
    agree(FRAMES[0], message, FRAMES[2])


def test_a_day_that_is_no_number_is_refused_each_time() -> None:
    bad = ticker(8, "n/a")
    told = agree(ticker(7, "1"), bad, bad, ticker(9, "1"), ticker(10, "2"))
    kinds = [[type(event) for event in events] for events in told]
    assert kinds[:3] == [[Quote, DayTicker], [FrameRejected], [FrameRejected]]
    assert kinds[4] == [Quote, DayTicker]


def test_a_day_the_slower_parser_told_is_not_told_again_by_the_scanner() -> None:
    spaced = json.dumps(json.loads(ticker(8, "2")))
    told = agree(ticker(7, "1"), spaced, ticker(9, "2"), ticker(10, "1"), ticker(11, "1"))
    assert [len(events) for events in told] == [2, 2, 1, 2, 1]


def test_a_day_longer_than_is_remembered_is_compared_all_the_same() -> None:
    price = "65086." + "1" * 38
    told = agree(*(ticker(number, price) for number in (7, 8)))
    assert [len(events) for events in told] == [2, 1]
    wide = FRAMES[7].replace('"65252.99"', f'"{"6" * 40}.{"5" * 40}"')
    assert [len(events) for events in agree(wide, wide.replace(":7,", ":8,"))] == [2, 1]


def test_instruments_learned_later_are_scanned_and_aliases_are_one_product() -> None:
    decoder = CoinbaseDecoder(instruments=ITEMS[:1])
    assert scanned(decoder, FRAMES[3]) is None
    decoder.add_instruments(ITEMS[1:])
    events = scanned(decoder, FRAMES[3])
    assert events is not None
    assert plain(events)[0][1]["bids"] == [[13017, 1]]
    (quote, _) = decoder.decode("recv", 1, 77, "", ticker(4, "2", "BTC-USDC").encode())
    assert isinstance(quote, Quote)
    assert quote.instrument_id == "BTC-USD.coinbase"


def test_images_larger_than_the_room_and_levels_given_out_stay_as_they_were() -> None:
    levels = [("bid", str(price), "1") for price in range(40_000, 20_000, -1)]
    data = book("snapshot", 1, *levels).encode()
    quick, slow = both()
    (first,) = quick.decode("recv", 1, 77, "", FRAMES[0].encode())
    (image,) = quick.decode("recv", 1, 77, "", data)
    assert plain([image]) == plain(slow.decode("recv", 1, 77, "", data))
    for _ in range(80_000):
        quick.decode("recv", 1, 77, "", FRAMES[1].encode())
    assert isinstance(first, BookSnapshot)
    assert first.bids.tolist() == [[6508366, 20371215], [6508300, 0]]
    assert isinstance(image, BookSnapshot)
    assert image.bids.tolist() == [
        [100 * price, 100_000_000] for price in range(40_000, 20_000, -1)
    ]


ODD = ["0", "-0", "1e3", "1E-2", "00.5", ".5", "5.", "1e-000", "NaN", "", "null", "1.10",
       "12345678901234567", "0.123456789", "92233720368547758.07", "999999999.99", "\\u0031",
       "0" * 41]  # fmt: skip
BITS = b'0123456789.,:"[]{}eEZT-+ bnuq\\\x00\x80'


@given(st.data())
def test_mutated_messages_are_read_or_refused_alike(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from(FRAMES))
    message = bytearray(original.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(message) - 1))
        match data.draw(st.sampled_from(["set", "cut", "add", "copy", "value", "end"])):
            case "set":
                message[at] = data.draw(st.sampled_from(BITS))
            case "cut":
                del message[at : at + data.draw(st.integers(1, 12))]
            case "add":
                message[at:at] = data.draw(st.binary(min_size=1, max_size=4))
            case "copy":
                message[at:at] = message[at : at + data.draw(st.integers(1, 120))]
            case "value":
                places = [at for at in range(len(message) - 2) if message[at : at + 2] == b':"']
                if places:
                    start = data.draw(st.sampled_from(places)) + 2
                    end = message.find(b'"', start)
                    message[start:end] = data.draw(st.sampled_from(ODD)).encode()
            case "end":
                del message[at:]
        if not message:
            break
    agree(FRAMES[0], bytes(message), FRAMES[5], FRAMES[7], bytes(message), FRAMES[8], FRAMES[11])
