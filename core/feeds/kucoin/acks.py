"""How KuCoin confirms subscriptions: by the request's id, all of it or nothing.

::

    {"id":"1","type":"ack"}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from core.feeds.acks import Ack, Acks, Asked

_SHORT: Final = 120
"""Answers are shorter than this, and market data is not."""


class _Request(msgspec.Struct):
    id: str = ""
    type: str = ""
    topic: str = ""


class _Answer(msgspec.Struct):
    id: str = ""


class KucoinAcks(Acks):
    """A topic is written ``/market/match:BTC-USDT``, of one symbol.

    Args:
        requests: Writes the requests that join topics.
    """

    def __init__(self, requests: Callable[[Sequence[str]], Sequence[str]]) -> None:
        self._requests = requests

    def asked(self, message: str) -> Asked | None:
        """Return what a message of ours asks for."""
        request = msgspec.json.decode(message, type=_Request)
        name, _, symbols = request.topic.partition(":")
        topics = [f"{name}:{symbol}" for symbol in symbols.split(",")]
        match request.type:
            case "subscribe":
                return Asked(topics, key=request.id)
            case "unsubscribe":
                return Asked(leaves=topics)
        return None

    def said(self, frame: bytes) -> Ack | None:
        """Return what a frame says to it."""
        if len(frame) > _SHORT or b'"ack"' not in frame:
            return None
        return Ack(key=msgspec.json.decode(frame, type=_Answer).id)

    def again(self, topics: Sequence[str]) -> Sequence[str]:
        """Return the messages that join topics once more, one for each kind of channel."""
        joined: dict[str, list[str]] = {}
        for topic in topics:
            name, _, symbol = topic.partition(":")
            joined.setdefault(name, []).append(symbol)
        return self._requests([f"{name}:{','.join(of)}" for name, of in joined.items()])
