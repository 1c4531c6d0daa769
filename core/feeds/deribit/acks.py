"""How Deribit confirms subscriptions: the answer to a request lists the channels taken.

::

    {"jsonrpc":"2.0","id":3,"result":["book.BTC-PERPETUAL.100ms"],"usIn":...,"usOut":...}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from core.feeds.acks import Ack, Acks, Asked

_HEAD: Final = b'{"jsonrpc":"2.0","method":"subscription"'


class _Params(msgspec.Struct):
    channels: list[str] = []


class _Request(msgspec.Struct):
    method: str = ""
    id: int = 0
    params: _Params = msgspec.field(default_factory=_Params)


class _Answer(msgspec.Struct):
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw()


class DeribitAcks(Acks):
    """Of JSON-RPC.

    Args:
        request: Writes a call of a public method.
    """

    def __init__(self, request: Callable[[str, Mapping[str, object]], str]) -> None:
        self._request = request

    def asked(self, message: str) -> Asked | None:
        """Return what a message of ours asks for."""
        request = msgspec.json.decode(message, type=_Request)
        match request.method.rpartition("/")[2]:
            case "subscribe":
                return Asked(request.params.channels, key=str(request.id))
            case "unsubscribe":
                return Asked(leaves=request.params.channels)
        return None

    def said(self, frame: bytes) -> Ack | None:
        """Return what a frame says to it."""
        if frame.startswith(_HEAD) or b'"result":' not in frame:
            return None
        answer = msgspec.json.decode(frame, type=_Answer)
        if answer.id is None or not bytes(answer.result).startswith(b"["):
            return None
        return Ack(msgspec.json.decode(answer.result, type=list[str]), str(answer.id))

    def again(self, topics: Sequence[str]) -> Sequence[str]:
        """Return the message that joins channels once more."""
        return (self._request("subscribe", {"channels": list(topics)}),)
