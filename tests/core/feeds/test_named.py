"""What a frame that was refused seems to be about."""

from __future__ import annotations

import pytest

from core.feeds.named import channel_of, known_in

KNOWN = {"BTCUSDT": 1, "BTC-USDT": 2, "ETH-USDT": 3, "BTC-PERPETUAL": 4, "BTC/USD": 5}


@pytest.mark.parametrize(
    ("data", "symbol", "channel"),
    [
        (b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate",', "BTCUSDT", "depth@100ms"),
        (b'{"arg":{"channel":"books","instId":"BTC-USDT"},"data":[{', "BTC-USDT", "books"),
        (
            b'{"method":"subscription","params":{"channel":"book.BTC-PERPETUAL.100ms"',
            "BTC-PERPETUAL",
            "book.100ms",
        ),
        (
            b'{"topic":"/market/level2:BTC-USDT","type":"message","data":{',
            "BTC-USDT",
            "/market/level2",
        ),
        (b'[{"T":"o","S":"BTC/USD","t":"2026-01-01T00:00:00Z","b":[', "BTC/USD", "o"),
    ],
)
def test_channel_and_symbol_are_told_as_each_venue_names_them(
    data: bytes, symbol: str, channel: str
) -> None:
    assert known_in(data, KNOWN) == (symbol, KNOWN[symbol])
    assert channel_of(data, symbol) == channel


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"<html>", b'{"a":1}', b'["BTC-USDT","ETH-USDT"]']
)
def test_frame_of_none_or_several_instruments_names_none(data: bytes) -> None:
    assert known_in(data, KNOWN) is None
