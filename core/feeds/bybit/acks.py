"""How Bybit confirms subscriptions: by the request's id, on the options' socket by topic.

::

    {"success":true,"ret_msg":"","conn_id":"cejreaspqfm9se7usbrg-2xh","req_id":"1","op":"subscribe"}
    {"success":true,"conn_id":"aa01fbff","data":{"failTopics":[],
     "successTopics":["orderbook.100.BTC-6JAN23-18000-C"]},"type":"COMMAND_RESP"}
    {"success":false,"ret_msg":"error:already subscribed,topic:publicTrade.BTCUSDT","req_id":"2"}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from core.feeds.acks import Ack, Acks, Asked

_KNOWN: Final = "already subscribed,topic:"


class _Request(msgspec.Struct):
    op: str = ""
    args: list[str] = []
    req_id: str = ""


class _Topics(msgspec.Struct):
    successTopics: list[str] = []


class _Answer(msgspec.Struct):
    success: bool = False
    ret_msg: str = ""
    req_id: str = ""
    data: _Topics | None = None


class BybitAcks(Acks):
    """Of all its sockets.

    Args:
        requests: Writes the requests that join topics, as many as the venue wants them to be.
    """

    def __init__(self, requests: Callable[[Sequence[str]], Sequence[str]]) -> None:
        self._requests = requests

    def asked(self, message: str) -> Asked | None:
        """Return what a message of ours asks for."""
        request = msgspec.json.decode(message, type=_Request)
        match request.op:
            case "subscribe":
                return Asked(request.args, key=request.req_id)
            case "unsubscribe":
                return Asked(leaves=request.args)
        return None

    def said(self, frame: bytes) -> Ack | None:
        """Return what a frame says to it."""
        if frame.startswith(b'{"topic"') or b'"success"' not in frame:
            return None
        if b'"subscribe"' not in frame and b'"COMMAND_RESP"' not in frame:
            return None
        answer = msgspec.json.decode(frame, type=_Answer)
        if answer.data is not None:
            return Ack(answer.data.successTopics)
        if answer.success:
            return Ack(key=answer.req_id)
        topic = answer.ret_msg.partition(_KNOWN)[2]
        return Ack((topic,)) if topic else None

    def again(self, topics: Sequence[str]) -> Sequence[str]:
        """Return the messages that join topics once more."""
        return self._requests(topics)
