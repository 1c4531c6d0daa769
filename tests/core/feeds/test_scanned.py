"""What a decoder's scanner takes of a mangled frame, its slower parser reads just the same."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.feeds.bybit.decoder import BybitDecoder
from core.feeds.coinbase_exchange.decoder import ExchangeDecoder
from core.feeds.decimals import Decimals
from core.feeds.kucoin.decoder import KucoinDecoder
from core.feeds.okx.decoder import OkxDecoder
from core.feeds.scanner import ODD
from core.model.errors import DataError
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import FrameRejected, MarketEvent

FRAMES: dict[Any, tuple[bytes, ...]] = {
    BybitDecoder: (
        b'{"topic":"orderbook.200.BTC-USD","type":"delta","ts":1786310840254,"data":{"s":"BTC-USD",'
        b'"b":[["77.28","407.9"],["77.20","0"]],"a":[["77.32","1894.8"]],"u":13783511,'
        b'"seq":272903650273},"cts":1786310840248}',
        b'{"topic":"orderbook.1.BTC-USD","type":"snapshot","ts":1786310840254,"data":{'
        b'"s":"BTC-USD","b":[["77.28","407.9"]],"a":[["77.32","1894.8"]],"u":1,"seq":7},"cts":17}',
        b'{"topic":"tickers.BTC-USD","type":"delta","data":{"symbol":"BTC-USD","bid1Price":"77.28",'
        b'"bid1Size":"407.9","markPrice":"77.3"},"cs":272903650291,"ts":1786310840280}',
        b'{"topic":"tickers.BTC-USD","type":"delta","data":{"symbol":"BTC-USD","lastPrice":"77.28",'
        b'"turnover24h":"1E+3","fundingRate":"-0.0001","nextFundingTime":"1786320000000",'
        b'"openInterest":"5.5","openInterestValue":""},"cs":272903650291,"ts":1786310840280}',
        b'{"topic":"kline.1.BTC-USD","data":[{"start":1786310820000,"end":1786310879999,'
        b'"interval":"1","open":"1922.48","close":"1922.54","high":"1922.55","low":"1922.48",'
        b'"volume":"2.7","turnover":"5190.791","confirm":false,"timestamp":1786310841124}],'
        b'"ts":1786310841124,"type":"snapshot"}',
        b'{"topic":"publicTrade.BTC-USD","type":"snapshot","ts":1786310819681,"data":[{"T":'
        b'1786310819680,"s":"BTC-USD","S":"Sell","v":"0.4","p":"65114.20","L":"MinusTick","i":'
        b'"a9188a0a-82bc-50de-be60-03eedbe3cdd7","BT":false},{"T":1786310819680,"s":"BTC-USD",'
        b'"S":"Buy","v":"12","p":"65114.21","i":"2100000000007764263","seq":753843954913}]}',
    ),
    OkxDecoder: (
        b'{"arg":{"channel":"books","instId":"BTC-USD"},"action":"update","data":[{"asks":[["77.28"'
        b',"0","0","0"]],"bids":[["77.2","3.1","0","4"]],"ts":"1626995769338","checksum":-558755,'
        b'"prevSeqId":123456,"seqId":123457}]}',
        b'{"arg":{"channel":"trades","instId":"BTC-USD"},"data":[{"instId":"BTC-USD","tradeId":'
        b'"1200053","px":"77.28","sz":"13","side":"sell","ts":"1626995767335"}]}',
        b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USD"},"data":[{"asks":[["77.28","1.5","0","13"]'
        b'],"bids":[["77.27","256","0","12"]],"ts":"1597026383085","seqId":123456}]}',
        b'{"arg":{"channel":"tickers","instId":"BTC-USD"},"data":[{"instType":"SPOT","instId":'
        b'"BTC-USD","last":"77.2812","lastSz":"0.4","askPx":"77.29","askSz":"1871.7","bidPx":'
        b'"77.28","bidSz":"0","open24h":"","high24h":"81","low24h":"-0","volCcy24h":"73998.8786",'
        b'"vol24h":"7399887.86","ts":"1786540471710"}]}',
    ),
    KucoinDecoder: (
        b'{"topic":"/market/level2:BTC-USD","type":"message","subject":"trade.l2update","data":{'
        b'"changes":{"asks":[["18906","0.3","14103845"]],"bids":[["0","0.1","14103844"]]},'
        b'"sequenceEnd":14103845,"sequenceStart":14103844,"symbol":"BTC-USD","time":1663747970273}}',
        b'{"data":{"sequence":"1612734157864","bestAsk":"26.08","size":"46","bestBidSize":"1923.1",'
        b'"price":"26.0","time":1619378338088,"bestAskSize":"10987.6","bestBid":"26.0"},'
        b'"subject":"trade.ticker","topic":"/market/ticker:BTC-USD","type":"message"}',
    ),
    ExchangeDecoder: (
        b'{"type":"l2update","product_id":"BTC-USD","changes":[["sell","77.28","39.0"],'
        b'["buy","77.2","0"]],"time":"2021-04-17T16:43:53.692981Z"}',
        b'{"type":"match","trade_id":1568295,"maker_order_id":"e93f11ee","side":"buy","size":"450",'
        b'"price":"0.79","product_id":"BTC-USD","sequence":201392722,'
        b'"time":"2021-04-17T16:44:00.746704Z"}',
    ),
}


def made(kind: Any, *, scanning: bool = True) -> Any:
    venue = VenueName("venue")
    item = Instrument(
        id=instrument_id("BTC-USD", venue), venue=venue, venue_symbol="BTC-USD", base="BTC",
        quote="USD", price_tick=Decimal("0.01"), size_lot=Decimal("0.1"),
        kind=InstrumentKind.PERPETUAL if kind is BybitDecoder else InstrumentKind.SPOT,
    )  # fmt: skip
    decoder = kind(venue, [item])
    if not scanning:
        scanner = decoder._scanner
        scanner.tell = lambda frame, place, conn, recv: None
        scanner.found = lambda place: (ODD,) * 12
    return decoder


def told(events: Any) -> list[Any]:
    return [plain(event) for event in events]


def plain(event: MarketEvent) -> Any:
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    values.pop("check", None)
    return type(event), {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }


@pytest.mark.parametrize(
    ("kind", "frame"), [(kind, frame) for kind, frames in FRAMES.items() for frame in frames]
)
def test_frames_as_venues_write_them_are_scanned(kind: Any, frame: bytes) -> None:
    decoder = made(kind)
    first = told(decoder.decode("recv", 1, 5, "", frame))
    assert first
    assert decoder._scanner.found(decoder._scanner.place)[0] >= 0
    assert first == told(made(kind, scanning=False).decode("recv", 1, 5, "", frame))
    # In any order of the parts, too.
    turned = json.dumps(turn(json.loads(frame)), separators=(",", ":")).encode()
    assert first == told(made(kind).decode("recv", 1, 5, "", turned))


@pytest.mark.parametrize("kind", [BybitDecoder, OkxDecoder])
def test_statistics_and_best_prices_need_no_parser(kind: Any) -> None:
    frames = [frame for frame in FRAMES[kind] if b"ticker" in frame or b"bbo" in frame]
    expected = [told(made(kind, scanning=False).decode("recv", 1, 5, "", one)) for one in frames]
    for frame, wanted in zip(frames, expected, strict=True):
        decoder = made(kind)
        decoder.message = decoder._ticker_frame = None
        assert told(decoder.decode("recv", 1, 5, "", frame)) == wanted
    assert sum(map(len, expected)) > len(frames)


def last_price(decoder: OkxDecoder, text: str) -> Any:
    frame = FRAMES[OkxDecoder][-1].replace(b"77.2812", text.encode())
    return decoder.decode("recv", 1, 5, "", frame)[-1]


def test_value_is_what_its_text_says() -> None:
    decoder, values = made(OkxDecoder), Decimals("value of venue")
    texts = ["0", "-0", "00.10", "-1.50", "1" * 40, "0." + "2" * 40, "", "1E+3", "1e-99"]
    for text in 2 * texts:
        assert repr(last_price(decoder, text).last) == repr(values[text])


def test_value_that_is_no_number_is_refused_with_its_text() -> None:
    decoder, values = made(OkxDecoder), Decimals("value of venue")
    bad = ["1" * 41, "0." + "2" * 41, "1e100", "-", "+1", "1.", ".5", "1.2.3", "--1", "0x1", "NaN"]
    for text in bad:
        with pytest.raises(DataError) as error:
            values[text]
        assert last_price(decoder, text).reason == str(error.value)


def turn(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: turn(value[name]) for name in reversed(value)}
    return (
        [turn(item) for item in value]
        if isinstance(value, list) and value and isinstance(value[0], dict)
        else value
    )


@pytest.mark.parametrize(
    ("kind", "frame"), [(kind, frame) for kind, frames in FRAMES.items() for frame in frames]
)
@given(data=st.data())
def test_mangled_frame_tells_what_the_parser_reads(
    kind: Any, frame: bytes, data: st.DataObject
) -> None:
    mangled = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(mangled) - 1))
        mangled[at] = data.draw(st.sampled_from(b'0123456789.,:"[]{}eEabsu-+ n\\'))
    if data.draw(st.booleans()):
        del mangled[at]
    message = bytes(mangled)
    decoder = made(kind)
    found = told(decoder.decode("recv", 1, 5, "", message))
    if decoder._scanner.found(decoder._scanner.place)[0] < 0:
        return
    parser = made(kind, scanning=False)
    wanted = told(parser.decode("recv", 1, 5, "", message))
    if wanted and wanted[0][0] is FrameRejected and wanted != found:
        # The parser looks at parts that no event tells of; all else must be the same.
        assert "Expected" in wanted[0][1]["reason"] or "missing" in wanted[0][1]["reason"]
        return
    assert found == wanted
    # Once more, now that the book has an owner: its changes are made by the kernel itself.
    found = told(decoder.decode("recv", 1, 6, "", message))
    assert found == told(parser.decode("recv", 1, 6, "", message))
    # From another connection, which does not.
    found = told(decoder.decode("recv", 2, 7, "", message))
    assert found == told(parser.decode("recv", 2, 7, "", message))
