"""AW-Trade's price protocol: datagrams to whoever asked for a symbol.

::

    client ──► {"action":"start","symbol":"BTC"}          or "stop"; again now and then
    client ◄── {"symbol":"BTC","price":61837.64,"volume":1234.5,"bid":61837.63,"ask":61837.65,
                "timestamp":1723075200000,"exchange":"binance"}       at each change

A symbol is a base asset (``BTC``), a pair (``BTC-USDT``, also as the venue writes it) or a whole
name (``BTC-USDT.binance``) of an instrument the engine follows; of several the first on its
watchlist is meant. One that is not followed gets no answer, for the protocol has none: the user is
told. Prices that cannot be trusted are not sent: a client sees no change rather than a wrong one.

The sender of a datagram can be forged, so whoever can reach the port can have prices sent to
anybody: it listens on loopback unless it is told otherwise.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

import msgspec

from core.model.errors import ConfigError
from core.model.ids import InstrumentId, split_instrument_id
from core.model.instruments import Instrument
from core.model.market import FeedStatus
from core.model.ports import Clock
from core.model.settings import UdpSettings
from core.model.views import QuoteLine

_log: Final = logging.getLogger(__name__)

MAX_DATAGRAM_BYTES: Final = 1024
MAX_SYMBOLS: Final = 256
"""Symbols one client may follow."""

MAX_TOLD: Final = 16
"""Unknown symbols the user is told of: anybody may ask for anything."""

_NS: Final = 1_000_000_000
_MS: Final = 1_000_000

_RECVERR: Final[int | None] = 11 if hasattr(socket, "MSG_ERRQUEUE") else None
"""Linux's IP_RECVERR, which Python does not name: whom a datagram could not be delivered to."""

Address: TypeAlias = tuple[str, int]


class Prices(Protocol):
    """Where the publisher reads the market; called on the engine's own loop."""

    def watched(self) -> Sequence[InstrumentId]:
        """Return the instruments the engine follows, those on its watchlist first."""
        ...

    def instrument(self, name: InstrumentId) -> Instrument:
        """Return a followed instrument."""
        ...

    def line(self, name: InstrumentId) -> QuoteLine:
        """Return a followed instrument's line as of now."""
        ...


class UdpStats(msgspec.Struct):
    """What came and went since the start."""

    sent: int = 0
    malformed: int = 0
    """Datagrams that were no request."""
    unknown: int = 0
    """Requests for a symbol the engine does not follow."""
    refused: int = 0
    """Requests beyond the number of clients, or of symbols of one."""
    dead: int = 0
    """Clients dropped because they were silent or gone."""
    dropped: int = 0
    """Prices not sent because the network was behind."""


class _Request(msgspec.Struct):
    action: str
    symbol: str


class _Client:
    """One address, and what it follows."""

    __slots__ = ("heard_ns", "symbols")

    def __init__(self, heard_ns: int) -> None:
        self.heard_ns = heard_ns
        self.symbols: dict[str, tuple[InstrumentId, bytes]] = {}
        """Symbol as asked, its instrument, and the datagram last sent."""


class UdpPublisher(asyncio.DatagramProtocol):
    """Sends prices to clients that asked for them, until cancelled.

    Args:
        settings: Where to listen, how often to look, whom to give up.
        prices: Where prices are read.
        clock: Says how long a client has been silent.
        told: Hears, once each, of symbols that were asked for and are not followed.
    """

    def __init__(
        self,
        settings: UdpSettings,
        prices: Prices,
        *,
        clock: Clock,
        told: Callable[[str], object] = _log.warning,
    ) -> None:
        self.stats = UdpStats()
        self.ready = asyncio.Event()
        """Set once requests are taken."""
        self.address: Address = ("", 0)
        """Where it listens, once it does."""
        self._settings = settings
        self._prices = prices
        self._clock = clock
        self._told = told
        self._unknown: set[str] = set()
        self._clients: dict[Address, _Client] = {}
        self._socket: socket.socket | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._behind = False
        """The network took less than was sent; prices are dropped, for newer ones replace them."""

    @property
    def clients(self) -> int:
        """Addresses that prices are sent to."""
        return len(self._clients)

    async def run(self) -> None:
        """Listen and publish until cancelled.

        Raises:
            ConfigError: The address cannot be had.
        """
        loop = asyncio.get_running_loop()
        bound = await self._bind()
        self._socket = bound
        transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=bound)
        self._transport = transport
        self.address = bound.getsockname()[:2]
        self.ready.set()
        _log.info("prices are published on udp %s:%d", *self.address)
        try:
            while True:
                await asyncio.sleep(self._settings.every_ms / 1000)
                self._drop_dead()
                self._publish()
        finally:
            self.ready.clear()
            self._clients.clear()
            self._transport = self._socket = None
            transport.close()

    # -- datagrams in ------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take a request; whatever is none is counted and forgotten."""
        request = _read(data)
        if request is None:
            self.stats.malformed += 1
            return
        client = self._clients.get(addr)
        if request.action == "stop":
            if client is not None:
                client.heard_ns = self._clock.monotonic_ns()
                client.symbols.pop(request.symbol, None)
                if not client.symbols:
                    del self._clients[addr]
            return
        name = self._meant(request.symbol)
        if name is None:
            self.stats.unknown += 1
            self._tell_unknown(request.symbol, addr)
            return
        if client is None:
            if len(self._clients) >= self._settings.max_clients:
                self.stats.refused += 1
                return
            client = self._clients[addr] = _Client(0)
        client.heard_ns = self._clock.monotonic_ns()
        if request.symbol not in client.symbols and len(client.symbols) >= MAX_SYMBOLS:
            self.stats.refused += 1
            return
        # Asked again, the price is told again: the last datagram may have been lost.
        client.symbols[request.symbol] = (name, b"")

    def error_received(self, exc: Exception) -> None:
        """Take note that a datagram could not be delivered, and drop whoever is gone."""
        self._drop_gone()

    def pause_writing(self) -> None:
        """Send nothing until the network has caught up."""
        self._behind = True

    def resume_writing(self) -> None:
        """Send again."""
        self._behind = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Send no more."""
        self._transport = None

    # -- datagrams out -----------------------------------------------------------------------

    def _publish(self) -> None:
        """Send every client what changed of its symbols."""
        texts: dict[tuple[InstrumentId, str], bytes | None] = {}
        for address, client in list(self._clients.items()):
            for symbol, (name, last) in client.symbols.items():
                key = (name, symbol)
                if key not in texts:
                    texts[key] = self._datagram(name, symbol)
                data = texts[key]
                if data is not None and data != last and self._send(data, address):
                    client.symbols[symbol] = (name, data)

    def _send(self, data: bytes, address: Address) -> bool:
        transport = self._transport
        if transport is None or self._behind:
            self.stats.dropped += 1
            return False
        transport.sendto(data, address)
        self.stats.sent += 1
        return True

    def _datagram(self, name: InstrumentId, symbol: str) -> bytes | None:
        """Return an instrument's price, None while there is none to be trusted."""
        try:
            line, item = self._prices.line(name), self._prices.instrument(name)
        except ConfigError:
            return None  # It is followed no longer.
        if line.status is not FeedStatus.LIVE or not line.last_ticks:
            return None
        seen_ns = line.ts_event_ns or self._clock.now_ns() - line.age_ms * _MS
        number = item.price
        return (
            f'{{"symbol":{_quoted(symbol)},"price":{number(line.last_ticks):f},'
            f'"volume":{item.size(line.volume_24h_lots):f},'
            f'"bid":{number(line.bid_ticks):f},"ask":{number(line.ask_ticks):f},'
            f'"timestamp":{seen_ns // _MS},"exchange":{_quoted(item.venue)}}}'
        ).encode()

    def _meant(self, symbol: str) -> InstrumentId | None:
        """Return the followed instrument a symbol means."""
        asked = symbol.upper().replace("/", "-")
        for name in self._prices.watched():
            pair = split_instrument_id(name)[0]
            wire = self._prices.instrument(name).venue_symbol
            words = (pair.partition("-")[0], pair, name, wire.replace("/", "-"))
            if asked in {word.upper() for word in words}:
                return name
        return None

    def _tell_unknown(self, symbol: str, addr: Address) -> None:
        if symbol in self._unknown or len(self._unknown) >= MAX_TOLD:
            return
        self._unknown.add(symbol)
        self._told(
            f"{addr[0]}:{addr[1]} asks for prices of {symbol!r}, which is not followed: add it to "
            "the watchlist"
        )

    # -- clients that are gone ---------------------------------------------------------------

    def _drop_dead(self) -> None:
        """Drop clients that were silent for too long, and those the network says are gone."""
        self._drop_gone()
        limit_s = self._settings.client_timeout_s
        if not limit_s:
            return
        before_ns = self._clock.monotonic_ns() - int(limit_s * _NS)
        silent = [
            address for address, client in self._clients.items() if client.heard_ns < before_ns
        ]
        for address in silent:
            self._drop(address)

    def _drop_gone(self) -> None:
        """Read from the system whom datagrams could not be delivered to."""
        if self._socket is None or _RECVERR is None:
            return
        while True:
            try:
                _, _, _, address = self._socket.recvmsg(0, 1024, socket.MSG_ERRQUEUE)
            except OSError:
                return  # Nothing is left.
            self._drop(address[:2])

    def _drop(self, address: Address) -> None:
        if self._clients.pop(address, None) is not None:
            self.stats.dead += 1

    async def _bind(self) -> socket.socket:
        host, port = self._settings.host, self._settings.port
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            family, _, _, _, place = found[0]
            bound = socket.socket(family, socket.SOCK_DGRAM)
        except OSError as error:
            raise ConfigError(
                f"udp.host must be an address of this machine, was {host!r}: {error}"
            ) from None
        try:
            bound.setblocking(False)
            if _RECVERR is not None and family == socket.AF_INET:
                bound.setsockopt(socket.IPPROTO_IP, _RECVERR, 1)
            bound.bind(place)
        except OSError as error:
            bound.close()
            taken = "another program has it" if error.errno == errno.EADDRINUSE else str(error)
            raise ConfigError(
                f"udp.port {port} on {host} cannot be had: {taken}; choose another port or "
                "set udp.enabled = false"
            ) from None
        return bound


def _read(data: bytes) -> _Request | None:
    """Return a request, None for anything else."""
    if len(data) > MAX_DATAGRAM_BYTES:
        return None
    try:
        request = msgspec.json.decode(data, type=_Request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if request.action not in {"start", "stop"} or not 0 < len(request.symbol) <= 64:
        return None
    return request


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
