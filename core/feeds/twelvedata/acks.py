"""How Twelve Data confirms subscriptions: the symbols it has taken.

::

    {"event":"subscribe-status","status":"ok","success":[{"symbol":"AAPL","exchange":"NASDAQ",
     "country":"United States","type":"Common Stock"}],"fails":null}
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.feeds.acks import Ack, Acks, Asked


class _Params(msgspec.Struct):
    symbols: str = ""


class _Request(msgspec.Struct):
    action: str = ""
    params: _Params | None = None


class _Named(msgspec.Struct):
    symbol: str = ""


class _Answer(msgspec.Struct):
    status: str = ""
    success: list[_Named] | None = None
    fails: list[_Named] | None = None


class TwelveDataAcks(Acks):
    """A topic is a symbol: there is one channel."""

    def asked(self, message: str) -> Asked | None:
        """Return what a message of ours asks for."""
        request = msgspec.json.decode(message, type=_Request)
        symbols = request.params.symbols.split(",") if request.params is not None else []
        match request.action:
            case "subscribe":
                return Asked(symbols)
            case "unsubscribe":
                return Asked(leaves=symbols)
        return None

    def said(self, frame: bytes) -> Ack | None:
        """Return what a frame says to it."""
        if not frame.startswith(b'{"event":"subscribe-status"'):
            return None
        answer = msgspec.json.decode(frame, type=_Answer)
        if answer.success is None and answer.fails is None:
            return Ack() if answer.status == "ok" else None
        # What it refuses is told by the decoder, and asking again changes nothing.
        return Ack([named.symbol for named in (*(answer.success or ()), *(answer.fails or ()))])

    def again(self, topics: Sequence[str]) -> Sequence[str]:
        """Return the message that joins symbols once more."""
        params = {"symbols": ",".join(topics)}
        return (msgspec.json.encode({"action": "subscribe", "params": params}).decode(),)
