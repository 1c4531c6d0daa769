"""How Kraken confirms subscriptions: one answer for each channel and pair.

::

    {"method":"subscribe","result":{"channel":"ticker","symbol":"BTC/USD","snapshot":true},
     "success":true,"time_in":"2023-09-25T09:04:31.742599Z","time_out":"..."}
    {"error":"Already subscribed","method":"subscribe","success":false,"symbol":"BTC/USD",...}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from core.feeds.acks import Ack, Acks, Asked

_SHORT: Final = 600
"""Answers are shorter than this."""


class _Params(msgspec.Struct):
    channel: str = ""
    symbol: list[str] = []


class _Request(msgspec.Struct):
    method: str = ""
    params: _Params = msgspec.field(default_factory=_Params)


class _Result(msgspec.Struct):
    channel: str = ""
    symbol: str = ""


class _Answer(msgspec.Struct):
    success: bool = False
    result: _Result | None = None


class KrakenAcks(Acks):
    """A topic is written ``book BTC/USD``.

    Args:
        request: Writes the request that joins a channel of some pairs.
    """

    def __init__(self, request: Callable[[str, Sequence[str]], str]) -> None:
        self._request = request

    def asked(self, message: str) -> Asked | None:
        """Return what a message of ours asks for."""
        request = msgspec.json.decode(message, type=_Request)
        topics = [f"{request.params.channel} {symbol}" for symbol in request.params.symbol]
        match request.method:
            case "subscribe":
                return Asked(topics)
            case "unsubscribe":
                return Asked(leaves=topics)
        return None

    def said(self, frame: bytes) -> Ack | None:
        """Return what a frame says to it."""
        if len(frame) > _SHORT or b'"method":"subscribe"' not in frame:
            return None
        answer = msgspec.json.decode(frame, type=_Answer)
        if not answer.success or answer.result is None:
            return None
        return Ack((f"{answer.result.channel} {answer.result.symbol}",))

    def again(self, topics: Sequence[str]) -> Sequence[str]:
        """Return the messages that join channels once more, one for each."""
        joined: dict[str, list[str]] = {}
        for topic in topics:
            channel, _, symbol = topic.partition(" ")
            joined.setdefault(channel, []).append(symbol)
        return [self._request(channel, symbols) for channel, symbols in joined.items()]
