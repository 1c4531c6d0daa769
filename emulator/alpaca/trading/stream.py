"""``trade_updates``: a login, a word what to listen to, then every step of the account's orders.

::

    {"action":"authenticate","data":{"key_id":"..","secret_key":".."}}
    {"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}
    {"action":"listen","data":{"streams":["trade_updates"]}}
    {"stream":"listening","data":{"streams":["trade_updates"]}}
    {"stream":"trade_updates","data":{"event":"fill","price":"..","order":{..}}}

The paper host sends this JSON in binary frames, the live one in text.
"""

from __future__ import annotations

from typing import Final

import orjson

from emulator.alpaca.trading.account import Account
from emulator.alpaca.trading.house import House
from emulator.wire.connection import Connection
from emulator.wire.venue import Dialogue, Json

_STREAMS: Final = ("trade_updates",)


class UpdatesTalk(Dialogue):
    """One connection."""

    def __init__(
        self, connection: Connection, house: House, host: str, talks: set[UpdatesTalk]
    ) -> None:
        super().__init__(connection)
        self._house = house
        self._host = host
        self._talks = talks
        self._account: Account | None = None
        connection.binary = host == "paper"

    def opened(self) -> None:
        """Take part in what befalls sessions."""
        self._talks.add(self)

    def closed(self) -> None:
        """Listen no more."""
        self._talks.discard(self)
        self._listen([])

    def expire(self) -> None:
        """End the login as the venue does when a key is no longer good."""
        self._listen([])
        self._account = None
        self._authorize(status="unauthorized", action="listen")
        self.connection.finish(1008, b"session expired")

    def heard(self, text: str) -> None:
        """Carry out a login or a listen."""
        try:
            asked = orjson.loads(text)
        except orjson.JSONDecodeError:
            asked = None
        action = asked.get("action") if isinstance(asked, dict) else None
        if action in ("auth", "authenticate"):
            self._log_in(asked)
        elif action == "listen":
            self._change(asked)
        else:
            self._say("error", {"code": 400, "error_message": "invalid syntax"})

    def _log_in(self, asked: Json) -> None:
        data = asked.get("data")
        data = data if isinstance(data, dict) else {}
        key = data.get("key_id", asked.get("key"))
        secret = data.get("secret_key", asked.get("secret"))
        if self._house.venue.allows(key, secret):
            self._account = self._house.account(self._host, str(key))
        if self._account is None:
            self._authorize(
                status="unauthorized",
                action="authenticate",
                message="access key verification failed",
            )
        else:
            self._authorize(status="authorized", action="authenticate")

    def _change(self, asked: Json) -> None:
        if self._account is None:
            self._authorize(status="unauthorized", action="listen")
            return
        if self._house.venue.struck("no_ack"):
            return
        data = asked.get("data")
        names = data.get("streams") if isinstance(data, dict) else None
        wanted = names if isinstance(names, list) else []
        known = [name for name in _STREAMS if name in wanted]
        self._listen(known)
        self._say("listening", {"streams": known})

    def _listen(self, streams: list[str]) -> None:
        """Make what is listened to those streams; a new word replaces the old one."""
        if self._account is None:
            return
        sinks = self._house.outlets[self._account.owner].sinks
        sinks.pop(self, None)
        if streams:
            sinks[self] = lambda message: self.connection.send(orjson.dumps(message))

    def _authorize(self, **data: str) -> None:
        self._say("authorization", data)

    def _say(self, stream: str, data: object) -> None:
        self.connection.send(orjson.dumps({"stream": stream, "data": data}))
