"""Who listens to which topic, and what the faults make of what is sent to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

import orjson

from emulator.faults import STREAM_FAULTS, Fault, Faults
from emulator.wire.connection import Connection

_KINDS: Final = tuple(STREAM_FAULTS)
_NUMBER: Final = re.compile(
    rb'(?<!"jsonrpc":)"-?\d+\.\d+"|(?<=[\[:,])-?\d+\.\d+(?=[\],}])|(?<=\[\[)"\d{1,9}"'
)
"""A price or size; one without decimals is known as one where it opens a level."""
_WHOLE: Final = re.compile(rb'"\d+"(?=[\],}])|(?<=[\[:,])\d+(?=[\],}])')
_HUGE: Final = b"179769313486231570000000000000000000000.5"


class Topics:
    """Topics and their listeners; a message is built only when somebody listens."""

    def __init__(self, faults: Faults, now_ms: Callable[[], int], unknown: bytes) -> None:
        self.connections: set[Connection] = set()
        self.hollow = False
        """Whoever subscribes is believed to listen, and hears nothing, by a fault."""
        self._faults = faults
        self._now_ms = now_ms
        self._unknown = unknown
        self._listeners: dict[str, dict[Connection, bool]] = {}
        self._starting: dict[str, tuple[str, ...]] = {}
        self._held: dict[tuple[Connection, str], bytes] = {}
        self._forgotten: set[tuple[Connection, str]] = set()

    def subscribe(self, connection: Connection, name: str) -> bool:
        """Add a listener; False when it listens already. A name that no topic has stays silent."""
        if (connection, name) in self._forgotten:
            return False
        if self.hollow:
            connection.streams[name] = None
            return True
        listeners = self._listeners.setdefault(name, {})
        if not listeners:
            self._starting.clear()
        if connection in listeners:
            return False
        connection.streams[name] = None
        listeners[connection] = True
        return True

    def unsubscribe(self, connection: Connection, name: str) -> bool:
        """Remove a listener; False when it did not listen."""
        connection.streams.pop(name, None)
        self._held.pop((connection, name), None)
        self._forgotten.discard((connection, name))
        listeners = self._listeners.get(name)
        if listeners is None or connection not in listeners:
            return False
        del listeners[connection]
        if not listeners:
            del self._listeners[name]
            self._starting.clear()
        return True

    def forget(self, symbol: str) -> None:
        """Send nothing of a symbol to those who listen now, by a fault; they count as listeners."""
        word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(symbol)}(?![A-Za-z0-9])", re.IGNORECASE)
        for name in [name for name in self._listeners if word.search(name)]:
            self._forgotten |= {(connection, name) for connection in self._listeners.pop(name)}
        self._starting.clear()

    def remember(self) -> None:
        """Send again to those who were forgotten by a fault."""
        for connection, name in self._forgotten:
            if connection in self.connections:
                self._listeners.setdefault(name, {}).setdefault(connection, False)
        self._forgotten.clear()
        self._starting.clear()

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        for name in tuple(connection.streams):
            self.unsubscribe(connection, name)

    def wanted(self, name: str) -> bool:
        """Return whether anybody listens to a topic."""
        return name in self._listeners

    def starting(self, prefix: str) -> tuple[str, ...]:
        """Return every topic that has a listener and a name that starts so."""
        found = self._starting.get(prefix)
        if found is None:
            found = tuple(name for name in self._listeners if name.startswith(prefix))
            self._starting[prefix] = found
        return found

    def fresh(self, name: str) -> list[Connection]:
        """Return the listeners who have had no snapshot, and count them as served."""
        listeners = self._listeners.get(name, {})
        found = [connection for connection, new in listeners.items() if new]
        for connection in found:
            listeners[connection] = False
        return found

    def settled(self, name: str) -> list[Connection]:
        """Return the listeners who have had their snapshot."""
        return [connection for connection, new in self._listeners.get(name, {}).items() if not new]

    def publish(
        self,
        name: str,
        message: Any,
        *,
        channel: str = "",
        symbol: str = "",
        to: Iterable[Connection] | None = None,
    ) -> None:
        """Send a message to a topic's listeners, or to some of them."""
        listeners = tuple(self._listeners.get(name, ()) if to is None else to)
        if not listeners:
            return
        raw = message if isinstance(message, bytes) else orjson.dumps(message)
        fault = (
            self._faults.take(_KINDS, self._now_ms(), symbol=symbol, channel=channel)
            if self._faults.armed
            else None
        )
        if fault is not None and fault.kind not in ("gap", "duplicate", "reorder"):
            if fault.kind == "unknown_message":
                self._send(listeners, name, self._unknown, None)
            else:
                raw = mangled(raw, fault.kind)
            fault = None
        self._send(listeners, name, raw, fault)

    def _send(
        self, listeners: tuple[Connection, ...], name: str, raw: bytes, fault: Fault | None
    ) -> None:
        kind = fault.kind if fault is not None else ""
        for connection in listeners:
            data = raw if connection.dress is None else connection.dress(name, raw)
            if kind == "gap":
                continue
            if kind == "reorder":
                self._held[(connection, name)] = data
                continue
            connection.send(data)
            if kind == "duplicate":
                connection.send(data)
            if self._held and (held := self._held.pop((connection, name), None)) is not None:
                connection.send(held)


def mangled(raw: bytes, kind: str) -> bytes:
    """Return a message with one thing wrong or odd in it."""
    if kind == "unknown_field":
        at = raw.find(b"{") + 1
        separator = b"" if raw[at : at + 1] == b"}" else b","
        return raw[:at] + b'"zNewField":{"a":[1,"2",null]}' + separator + raw[at:]
    found = _NUMBER.search(raw) or _WHOLE.search(raw)
    if found is None:
        return raw
    text = found.group()
    quote = b'"' if text.startswith(b'"') else b""
    plain = text.strip(b'"')
    put = {
        "number_zero": quote + b"0" + quote,
        "number_huge": quote + _HUGE + quote,
        "number_off": quote + _three_percent_more(plain) + quote,
        "number_exponent": quote + f"{Decimal(plain.decode()):e}".encode() + quote,
        "number_nan": b'"NaN"',
        "null_field": b"null",
        "empty_field": b'""',
    }[kind]
    return raw[: found.start()] + put + raw[found.end() :]


def _three_percent_more(plain: bytes) -> bytes:
    value = Decimal(plain.decode())
    more = value * Decimal("1.03")
    return f"{more.quantize(Decimal(1).scaleb(int(value.as_tuple().exponent))):f}".encode()
