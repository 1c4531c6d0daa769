"""How Massive confirms subscriptions: one status for each channel of a ticker.

::

    [{"ev":"status","status":"success","message":"subscribed to: T.AAPL"}]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from core.feeds.acks import Ack, Acks, Asked

_WORDS: Final = "subscribed to: "
_MARK: Final = b'"subscribed to: '


class _Request(msgspec.Struct):
    action: str = ""
    params: str = ""


class _Message(msgspec.Struct):
    ev: str = ""
    message: str = ""


class MassiveAcks(Acks):
    """A topic is written ``T.AAPL``."""

    def asked(self, message: str) -> Asked | None:
        """Return what a message of ours asks for."""
        request = msgspec.json.decode(message, type=_Request)
        match request.action:
            case "subscribe":
                return Asked(request.params.split(","))
            case "unsubscribe":
                return Asked(leaves=request.params.split(","))
        return None

    def said(self, frame: bytes) -> Ack | None:
        """Return what a frame says to it."""
        if _MARK not in frame:
            return None
        messages = msgspec.json.decode(frame, type=list[_Message])
        taken = [
            message.message.removeprefix(_WORDS)
            for message in messages
            if message.ev == "status" and message.message.startswith(_WORDS)
        ]
        return Ack(taken)

    def again(self, topics: Sequence[str]) -> Sequence[str]:
        """Return the message that joins channels once more."""
        return (msgspec.json.encode({"action": "subscribe", "params": ",".join(topics)}).decode(),)
