"""How Alpaca confirms subscriptions: after each request, all that the connection carries.

::

    [{"T":"subscription","trades":["AAPL"],"quotes":["AMD","CLDR"],"bars":["IBM","AAPL","VOO"]}]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from core.feeds.acks import Ack, Acks, Asked
from core.feeds.alpaca.packing import plain

_MARK: Final = b'"T":"subscription"'


class AlpacaAcks(Acks):
    """A topic is written ``trades AAPL``."""

    def asked(self, message: str) -> Asked | None:
        """Return what a message of ours asks for."""
        request: dict[str, Any] = msgspec.json.decode(message, type=dict[str, Any])
        topics = _topics(request)
        match request.get("action"):
            case "subscribe":
                return Asked(topics)
            case "unsubscribe":
                return Asked(leaves=topics)
        return None

    def said(self, frame: bytes) -> Ack | None:
        """Return what a frame says to it."""
        frame = plain(frame)
        if _MARK not in frame:
            return None
        for message in msgspec.json.decode(frame, type=list[dict[str, Any]]):
            if message.get("T") == "subscription":
                return Ack(_topics(message), whole=True)
        return None

    def again(self, topics: Sequence[str]) -> Sequence[str]:
        """Return the message that joins channels once more."""
        joined: dict[str, list[str]] = {}
        for topic in topics:
            channel, _, symbol = topic.partition(" ")
            joined.setdefault(channel, []).append(symbol)
        return (msgspec.json.encode({"action": "subscribe", **joined}).decode(),)


def _topics(message: dict[str, Any]) -> list[str]:
    return [
        f"{channel} {symbol}"
        for channel, symbols in message.items()
        if isinstance(symbols, list)
        for symbol in symbols
    ]
