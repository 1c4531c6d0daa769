"""How Coinbase confirms subscriptions: after each request, all that the connection carries.

::

    {"channel":"subscriptions","timestamp":"...","sequence_num":8,"events":[{"subscriptions":
     {"level2":["BTC-USD","ETH-USD"],"market_trades":["BTC-USD"],"heartbeats":["heartbeats"]}}]}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from core.feeds.acks import Ack, Acks, Asked

_HEAD: Final = 60
_BEATS: Final = "heartbeats"


class _Request(msgspec.Struct):
    type: str = ""
    channel: str = ""
    product_ids: list[str] = []


class _Event(msgspec.Struct):
    subscriptions: dict[str, list[str]] = {}


class _Answer(msgspec.Struct):
    events: list[_Event] = []


class CoinbaseAcks(Acks):
    """A topic is written ``level2 BTC-USD``."""

    def asked(self, message: str) -> Asked | None:
        """Return what a message of ours asks for."""
        request = msgspec.json.decode(message, type=_Request)
        if request.channel == _BEATS:
            return None
        topics = [f"{request.channel} {name}" for name in request.product_ids]
        return Asked(topics) if request.type == "subscribe" else Asked(leaves=topics)

    def said(self, frame: bytes) -> Ack | None:
        """Return what a frame says to it."""
        if b'"subscriptions"' not in frame[:_HEAD]:
            return None
        events = msgspec.json.decode(frame, type=_Answer).events
        return Ack(
            [
                f"{channel} {name}"
                for event in events
                for channel, names in event.subscriptions.items()
                for name in names
            ],
            whole=True,
        )

    def again(self, topics: Sequence[str]) -> Sequence[str]:
        """Return the messages that join channels once more, one for each."""
        joined: dict[str, list[str]] = {}
        for topic in topics:
            channel, _, name = topic.partition(" ")
            joined.setdefault(channel, []).append(name)
        return [
            msgspec.json.encode(
                {"type": "subscribe", "product_ids": names, "channel": channel}
            ).decode()
            for channel, names in joined.items()
        ]
