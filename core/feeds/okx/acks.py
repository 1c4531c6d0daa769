"""How OKX confirms subscriptions: one answer for each channel.

::

    {"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55"}
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.feeds.acks import Ack, Acks, Asked


class _Request(msgspec.Struct):
    op: str = ""
    args: list[dict[str, str]] = []


class _Answer(msgspec.Struct):
    arg: dict[str, str] = {}


class OkxAcks(Acks):
    """A topic is written ``books instId BTC-USDT``."""

    def asked(self, message: str) -> Asked | None:
        """Return what a message of ours asks for."""
        if not message.startswith("{"):
            return None
        request = msgspec.json.decode(message, type=_Request)
        topics = [_topic(arg) for arg in request.args]
        match request.op:
            case "subscribe":
                return Asked(topics)
            case "unsubscribe":
                return Asked(leaves=topics)
        return None

    def said(self, frame: bytes) -> Ack | None:
        """Return what a frame says to it."""
        if not frame.startswith(b'{"event":"subscribe"'):
            return None
        return Ack((_topic(msgspec.json.decode(frame, type=_Answer).arg),))

    def again(self, topics: Sequence[str]) -> Sequence[str]:
        """Return the message that joins channels once more."""
        args = []
        for topic in topics:
            channel, key, value = topic.split(" ", 2)
            args.append({"channel": channel, key: value})
        return (msgspec.json.encode({"op": "subscribe", "args": args}).decode(),)


def _topic(arg: dict[str, str]) -> str:
    of = next((f"{key} {value}" for key, value in arg.items() if key != "channel"), "")
    return f"{arg.get('channel', '')} {of}"
