"""The scanners take a message only where the slower parser reads the same of it."""

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

from core.feeds.deribit.decoder import DeribitDecoder
from core.feeds.deribit.values import key_table
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import (
    BookDelta,
    BookSnapshot,
    DayTicker,
    FrameRejected,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    OptionGreeks,
    Quote,
)

HEAD = '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"'


class SlowDecoder(DeribitDecoder):
    """Reads everything with the slower parser."""

    def scanned(self, conn: int, ts_recv_ns: int, data: bytes) -> None:
        """Take nothing."""
        return


def item(symbol: str, tick: str, lot: str, *, inverse: bool = False) -> Instrument:
    return Instrument(
        id=InstrumentId(f"{symbol}.deribit"), venue=VenueName("deribit"), venue_symbol=symbol,
        base="BTC", quote="USD", price_tick=Decimal(tick), size_lot=Decimal(lot), inverse=inverse,
        kind=InstrumentKind.PERPETUAL, settle="BTC",
    )  # fmt: skip


ITEMS = [item("BTC-30SEP22-60000-C", "0.0005", "0.1"), item("ETH-1", "0.00001", "1"),
         item("BTC-PERPETUAL", "0.5", "10", inverse=True)]  # fmt: skip


def frame(channel: str, data: str) -> str:
    return f'{HEAD}{channel}","data":{data}}}}}'


def book(text: str, symbol: str = "BTC-PERPETUAL", interval: str = "raw") -> str:
    return frame(f"book.{symbol}.{interval}", text)


IMAGE = book(
    '{"type":"snapshot","timestamp":1626993723632,"instrument_name":"BTC-PERPETUAL",'
    '"change_id":100,"bids":[["new",30000.5,4710.0],["new",30000,10]],"asks":[["new",30001,10.0]]}'
)
CHANGE = book(
    '{"type":"change","timestamp":1626993724318,"prev_change_id":100,"instrument_name":'
    '"BTC-PERPETUAL","change_id":101,"bids":[],"asks":[["delete",30001.0,0.0],["new",30002,1e1]]}'
)
LATER = book(
    '{"prev_change_id":101,"change_id":102,"instrument_name":"BTC-PERPETUAL","more":"x","asks":[],'
    '"bids":[["change",30000.50,20]],"timestamp":1626993724319,"type":"change"}', interval="100ms",
)  # fmt: skip
OPTION = frame(
    "ticker.BTC-30SEP22-60000-C.100ms",
    '{"underlying_price":30220.5,"underlying_index":"BTC-30SEP22","timestamp":1654161839367,'
    '"stats":{"volume":16.7,"price_change":-18.1818,"low":0.009,"high":0.011},"state":"open",'
    '"settlement_price":0.01,"open_interest":1767.5,"min_price":0.0001,"max_price":0.038,'
    '"mark_price":0.0084,"mark_iv":67.7,"last_price":0.009,"interest_rate":0.0,"instrument_name":'
    '"BTC-30SEP22-60000-C","index_price":29939.43,"greeks":{"vega":20.05335,"theta":-5.65962,'
    '"rho":4.91491,"gamma":0.00001,"delta":0.05785},"estimated_delivery_price":29939.43,'
    '"bid_iv":0.0,"best_bid_price":0.008,"best_bid_amount":2.8,"best_ask_price":0.0,'
    '"best_ask_amount":0.0,"ask_iv":68.65}',
)
PERPETUAL = frame(
    "ticker.BTC-PERPETUAL.100ms",
    '{"timestamp":1765541474086,"state":"open","stats":{"high":93612.0,"low":89277.5,'
    '"price_change":2.3275,"volume":11897.27640428,"volume_usd":1092371540.0,'
    '"volume_notional":1092371540.0},"index_price":92263.55,"instrument_name":"BTC-PERPETUAL",'
    '"last_price":null,"settlement_price":92464.66,"min_price":90897.5,"max_price":93666.5,'
    '"open_interest":1132329370,"mark_price":92281,"interest_value":0.0028213400122472977,'
    '"best_ask_price":92284.0,"best_bid_price":92283.5,"estimated_delivery_price":"expired",'
    '"best_ask_amount":186520.0,"best_bid_amount":117660,"current_funding":-0.00000100,'
    '"funding_8h":0.00001742}',
)
FINE = frame(
    "ticker.ETH-1.raw",
    '{"timestamp":1,"instrument_name":"ETH-1","best_bid_price":0.00120,"best_bid_amount":7.00,'
    '"best_ask_price":null,"best_ask_amount":null,"open_interest":null,"stats":null,"greeks":null,'
    '"mark_price":null,"odd":true,"even":false,"none":null}',
)
BARE = frame(
    "quote.BTC-PERPETUAL",
    '{"timestamp":1550658624149,"instrument_name":"BTC-PERPETUAL","best_bid_price":3914.5,'
    '"best_bid_amount":40,"best_ask_price":3914.5,"best_ask_amount":40.0}',
)
FRAMES = [IMAGE, CHANGE, LATER, OPTION, PERPETUAL, FINE, BARE]


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
        # nan is no nan, and 1.0 is not 1.00 where a number is told as the venue spelt it.
        out.append((type(event).__name__, repr(fields)))
    return out


def both() -> tuple[DeribitDecoder, DeribitDecoder]:
    return DeribitDecoder(instruments=ITEMS), SlowDecoder(instruments=ITEMS)


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


def scanned(decoder: DeribitDecoder, message: str) -> Sequence[MarketEvent] | None:
    """Return what is made of a message without the slower parser, None: nothing."""
    data = message.encode()
    told: Sequence[MarketEvent] | None = decoder._tell(data, decoder._desk_at, 1, 77)
    return decoder.leftover(1, 77, data) if told is None else told


def takes(message: str) -> bool:
    return scanned(DeribitDecoder(instruments=ITEMS), message) is not None


@pytest.mark.parametrize("message", FRAMES, ids=lambda text: text[62:84])
def test_messages_as_the_venue_writes_them_are_scanned(message: str) -> None:
    assert takes(message)


def test_both_ways_read_a_session_alike() -> None:
    told = agree(*FRAMES, *FRAMES)
    kinds = {type(event) for events in told for event in events}
    assert kinds >= {BookSnapshot, BookDelta, Quote, MarkPrice, OptionGreeks, DayTicker}
    assert OpenInterest in kinds
    assert not any(isinstance(event, FrameRejected) for events in told for event in events)


def test_best_quotes_of_their_own_channel_are_not_told_twice() -> None:
    sent = b'{"id":1,"method":"public/subscribe","params":{"channels":["quote.BTC-PERPETUAL"]}}'
    for decoder in both():
        decoder.decode("send", 1, 76, "", sent)
        events = decoder.decode("recv", 1, 77, "", PERPETUAL.encode())
        assert not any(isinstance(event, Quote) for event in events)
        (quote,) = decoder.decode("recv", 1, 77, "", BARE.encode())
        assert isinstance(quote, Quote)


@pytest.mark.parametrize(
    "message",
    [
        json.dumps(json.loads(OPTION)), OPTION + " ", OPTION[:-1], OPTION.replace("60000-C", "1-C"),
        OPTION.replace("0.008,", "0.0081,"), OPTION.replace("0.008,", "-0.008,"),
        OPTION.replace('"mark_iv":67.7', '"mark_iv":null'), OPTION.replace("0.0084", "-0.0"),
        OPTION.replace("0.0084", "1e-3"), OPTION.replace("0.0084", "00.1"),
        OPTION.replace("0.0084", "0.12345678901234567"), OPTION.replace("0.0084", '"0.0084"'),
        OPTION.replace('"vega":20.05335,', ""), OPTION.replace('"rho"', '"vega"'),
        OPTION.replace('"ask_iv"', '"bid_iv"'), OPTION.replace("1654161839367", "9654161839367"),
        OPTION.replace("1654161839367", "1.5"), OPTION.replace('"timestamp"', '"timestamps"'),
        PERPETUAL.replace("0.00001742", '"x"'), PERPETUAL.replace("true", "tru"),
        book('{"type":"snapshot","timestamp":1,"instrument_name":"BTC-PERPETUAL","change_id":1,'
             '"bids":[[30000,10]],"asks":[]}', interval="none.10.100ms"),
        CHANGE.replace("30002", "30002.1"), CHANGE.replace("30002", "0"), CHANGE + "x",
        CHANGE.replace('"change"', '"chance"'), CHANGE.replace('"prev_change_id":100', '"bids":[]'),
        CHANGE.replace(',"change_id":101', ""), CHANGE.replace("100", "null"),
        CHANGE.replace('"delete"', "1"), CHANGE.replace("0.0]", "0.0,1]"), "{}", "[]", "", HEAD,
    ],
    ids=range(34),
)  # fmt: skip
def test_what_is_odd_is_left_to_the_slower_parser(message: str) -> None:
    if message != PERPETUAL:
        assert not takes(message)
    agree(IMAGE, message, CHANGE, message, OPTION)


def test_a_day_that_cannot_be_read_is_refused_each_time() -> None:
    bad = OPTION.replace('"low":0.009', '"low":"x"')
    told = agree(OPTION, bad, bad, OPTION)
    assert [len(events) for events in told] == [5, 1, 1, 3]
    assert isinstance(told[1][0], FrameRejected)


def test_what_the_slower_parser_told_is_not_told_again_by_the_scanner() -> None:
    spaced = json.dumps(json.loads(PERPETUAL))
    other = PERPETUAL.replace('"open_interest":1132329370', '"open_interest":1')
    agree(PERPETUAL, spaced, PERPETUAL, other, json.dumps(json.loads(other)), other)


def test_books_larger_than_the_room_and_levels_given_out_stay_as_they_were() -> None:
    rows = ",".join(f'["new",{price}.5,10.0]' for price in range(40_000, 20_000, -1))
    data = IMAGE.replace('["new",30000,10]', rows).replace("30000.5", "40000.5").encode()
    quick, slow = both()
    (first,) = quick.decode("recv", 1, 77, "", IMAGE.encode())
    (image,) = quick.decode("recv", 1, 77, "", data)
    assert plain([image]) == plain(slow.decode("recv", 1, 77, "", data))
    for _ in range(30_000):
        quick.decode("recv", 1, 77, "", CHANGE.encode())
    assert isinstance(first, BookSnapshot)
    assert first.bids.tolist() == [[60001, 471], [60000, 1]]


def test_a_key_longer_than_the_table_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        key_table({"estimated_delivery_price": 1})


ODD = ["0", "-0", "-0.0", "1e3", "1E-2", "00.5", ".5", "5.", "NaN", '""', "null", "-1.5", "[]",
       "{}", "0.1234567890123456", "123456789012345", "1234567890123456", "12345678901234567890",
       "true", "0.000000000000001", "99999999.99999999", '"1"', "1.10",
       "922337203685477580700"]  # fmt: skip
BITS = b'0123456789.,:"[]{}eE-+ bnutx\\\x00\x80'


@given(st.data())
def test_mutated_messages_are_read_or_refused_alike(data: st.DataObject) -> None:
    message = bytearray(data.draw(st.sampled_from(FRAMES)).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(55, max(55, len(message) - 1)))
        match data.draw(st.sampled_from(["set", "cut", "add", "copy", "value", "end"])):
            case "set":
                message[at : at + 1] = bytes([data.draw(st.sampled_from(BITS))])
            case "cut":
                del message[at : at + data.draw(st.integers(1, 12))]
            case "add":
                message[at:at] = data.draw(st.binary(min_size=1, max_size=4))
            case "copy":
                message[at:at] = message[at : at + data.draw(st.integers(1, 60))]
            case "value":
                found = list(re.finditer(rb"[:,]-?[0-9.]+", message))
                if found:
                    span = data.draw(st.sampled_from(found))
                    message[span.start() + 1 : span.end()] = data.draw(
                        st.sampled_from(ODD)
                    ).encode()
            case "end":
                del message[at:]
    agree(IMAGE, OPTION, bytes(message), CHANGE, PERPETUAL, bytes(message), OPTION, FINE, BARE)


@given(st.decimals(-99999, 99999, places=9), st.integers(0, 9), st.sampled_from(["delta", "mark"]))
def test_numbers_are_the_very_doubles_and_decimals(number: Decimal, keep: int, name: str) -> None:
    text = f"{number:.{keep}f}"
    wanted = "0.05785" if name == "delta" else "0.0084"
    agree(OPTION.replace(wanted, text))
