"""How Coinbase Exchange confirms subscriptions: all that the connection carries.

::

    {"type":"subscriptions","channels":[{"name":"level2_batch","product_ids":["BTC-USD"]},
     {"name":"ticker","product_ids":["BTC-USD"]}]}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from core.feeds.acks import Ack, Acks, Asked

_HEAD: Final = b'{"type":"subscriptions"'
_BOOK: Final = "level2_batch"
_BOOKS: Final = {"level2_50": _BOOK, "level2": _BOOK}
"""What the venue has called the batched book, which it was asked for as `_BOOK`."""


class _Request(msgspec.Struct):
    type: str = ""
    channels: list[str] = []
    product_ids: list[str] = []


class _Channel(msgspec.Struct):
    name: str = ""
    product_ids: list[str] = []


class _Answer(msgspec.Struct):
    channels: list[_Channel] = []


class ExchangeAcks(Acks):
    """A topic is written ``ticker BTC-USD``."""

    def asked(self, message: str) -> Asked | None:
        """Return what a message of ours asks for."""
        request = msgspec.json.decode(message, type=_Request)
        topics = [
            f"{name} {product}" for name in request.channels for product in request.product_ids
        ]
        return Asked(topics) if request.type == "subscribe" else Asked(leaves=topics)

    def said(self, frame: bytes) -> Ack | None:
        """Return what a frame says to it."""
        if not frame.startswith(_HEAD):
            return None
        channels = msgspec.json.decode(frame, type=_Answer).channels
        return Ack(
            [
                f"{_BOOKS.get(channel.name, channel.name)} {product}"
                for channel in channels
                for product in channel.product_ids
            ],
            whole=True,
        )

    def again(self, topics: Sequence[str]) -> Sequence[str]:
        """Return the messages that join channels once more, one for each."""
        joined: dict[str, list[str]] = {}
        for topic in topics:
            channel, _, product = topic.partition(" ")
            joined.setdefault(channel, []).append(product)
        return [
            msgspec.json.encode(
                {"type": "subscribe", "product_ids": products, "channels": [channel]}
            ).decode()
            for channel, products in joined.items()
        ]
