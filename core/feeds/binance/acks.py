"""How Binance confirms subscriptions: by the number of the request, and a list when asked.

::

    {"result":null,"id":1}                       the request was taken, not what of it
    {"result":["btcusdt@trade"],"id":2}          LIST_SUBSCRIPTIONS: all the connection carries
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from core.feeds.acks import Ack, Acks, Asked


class _Request(msgspec.Struct):
    method: str = ""
    params: list[str] = []
    id: int = 0


class _Answer(msgspec.Struct):
    id: int | str | None = None
    result: list[str] | None = None
    error: msgspec.Raw = msgspec.Raw()
    code: int | None = None


class BinanceAcks(Acks):
    """Of spot and of futures.

    Args:
        request: Writes a request of a method and stream names.
    """

    def __init__(self, request: Callable[[str, Sequence[str]], str]) -> None:
        self._request = request

    def asked(self, message: str) -> Asked | None:
        """Return what a message of ours asks for."""
        request = msgspec.json.decode(message, type=_Request)
        match request.method:
            case "SUBSCRIBE":
                return Asked(request.params, key=str(request.id))
            case "UNSUBSCRIBE":
                return Asked(leaves=request.params)
        return None

    def said(self, frame: bytes) -> Ack | None:
        """Return what a frame says to it."""
        if frame.startswith((b'{"stream"', b'{"e"')) or b'"result"' not in frame:
            return None
        answer = msgspec.json.decode(frame, type=_Answer)
        if answer.id is None or answer.error or answer.code is not None:
            return None
        if answer.result is not None:
            return Ack(answer.result, whole=True)
        return Ack(key=str(answer.id))

    def again(self, topics: Sequence[str]) -> Sequence[str]:
        """Return the message that joins streams once more."""
        return (self._request("SUBSCRIBE", topics),)

    def audit(self) -> str:
        """Return what asks for all streams of the connection."""
        return self._request("LIST_SUBSCRIPTIONS", ())
