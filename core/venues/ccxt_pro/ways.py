"""What an exchange does itself through ccxt, and the ways in which it is not like the others.

ccxt says much of it in ``has`` and ``features``; what it does not say stands here, each with its
reason. An exchange not named gets the careful answer: the engine holds triggers and moves orders by
sending them anew, and fills are asked for, never computed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal

import msgspec

from core.model.abilities import VenueAbilities
from core.model.instruments import Instrument, InstrumentKind
from core.model.orders import OrderType, TimeInForce
from core.venues.okx.parse import ENDINGS

_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_TARGETS: Final = frozenset({OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
_LIMITED: Final = frozenset({OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
_PLAIN: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})
_TIMES: Final = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}


class Pages(msgspec.Struct, frozen=True, kw_only=True):
    """How the listing of open orders goes on after a page."""

    sent: str
    """The parameter that asks for what follows."""
    told: str = ""
    """Where a row, as the exchange wrote it, says what to send; empty: pages are counted from 1."""
    most: int
    """Rows of a page; a shorter one is the last."""


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange's own ways."""

    conditional: frozenset[OrderType] = frozenset()
    """Conditional types whose order keeps its id and its place in every listing when it fires.
    Where they live in a list of their own and become other orders, the engine holds the trigger."""
    spot_only: bool = False
    """Those types are of spot markets alone."""
    amends: bool = False
    """`edit_order` changes an order where it stands; elsewhere ccxt cancels and sends anew."""
    by_client_id: bool = False
    """`fetch_order` takes a client order id."""
    cancels_by_client_id: bool = False
    client_id: str = "clientOrderId"
    """The name of the parameter in `create_order`."""
    stream_fills: bool = False
    """The stream's fills have the ids, fees and exact texts those of REST have."""
    market_buy: Mapping[str, str] = {}
    """Parameters that make a spot market buy one of so many coins."""
    coins: bool = False
    """A spot market buy is of so many coins, though ccxt says it takes what it may cost."""
    wallet: tuple[tuple[str | int, ...], str, str] | None = None
    """Where the exchange's own answer has its money: the way to the rows, asset and amount. ccxt's
    total counts in what open positions would bring; the ledger books that when they close."""
    settles_apart: bool = False
    """An answer about balances has one asset that contracts are settled in; each is asked for."""
    unasked: tuple[str, Collection[str]] = ("", ())
    """A field of the exchange's own answer, and what it says of cancels nobody asked for. ccxt has
    one word for them and for ours."""
    options: Mapping[str, str] = {}
    """ccxt's options that differ from its own choice."""
    page: Literal["time", "offset"] = "time"
    """How own trades are paged."""
    open_pages: Pages | None = None
    """None: one answer has every open order."""
    open_kinds: tuple[str, ...] = ()
    """Kinds of markets whose open orders are listed apart; empty: one listing has all."""
    window_days: int = 0
    """The longest span one question about own trades may have, where ccxt does not say it."""


_SPOT_STOPS: Final = _STOPS | _TARGETS

_WAYS: Final[Mapping[str, Ways]] = {
    "binance": Ways(
        conditional=_SPOT_STOPS,
        spot_only=True,
        by_client_id=True,
        cancels_by_client_id=True,
        stream_fills=True,
        window_days=1,
    ),
    # Stops are algo orders, with ids of their own.
    "binanceusdm": Ways(
        wallet=(("assets",), "asset", "walletBalance"),
        amends=True,
        by_client_id=True,
        cancels_by_client_id=True,
        stream_fills=True,
        window_days=7,
    ),
    # Its stream's fees have the sign turned round.
    "okx": Ways(
        wallet=(("data", 0, "details"), "ccy", "cashBal"),
        amends=True,
        by_client_id=True,
        cancels_by_client_id=True,
        market_buy={"tgtCcy": "base_ccy"},
        unasked=("cancelSource", ENDINGS),
        open_pages=Pages(sent="after", told="ordId", most=100),
    ),
    # Its stream tells orders, not fills; a client id cannot be asked for.
    "coinbase": Ways(
        conditional=_LIMITED,
        spot_only=True,
        amends=True,
        client_id="client_order_id",
        # The older listing of wallets leaves out what open orders hold.
        options={"fetchBalance": "v3PrivateGetBrokerageAccounts"},
        open_pages=Pages(sent="cursor", told="cursor", most=100),
    ),
    # Stop orders stand in a list of their own and get another id when they fire.
    "kucoin": Ways(
        by_client_id=True,
        cancels_by_client_id=True,
        stream_fills=False,
        window_days=7,
        open_pages=Pages(sent="currentPage", most=500),
    ),
    # One asset at a time, USDT unless another is named; of a unified account all at once.
    "kucoinfutures": Ways(
        settles_apart=True,
        wallet=(("data",), "currency", "marginBalance"),
        by_client_id=True,
        cancels_by_client_id=True,
        window_days=7,
    ),
    # Its socket writes money as JSON numbers: fills are read from REST, where they are texts.
    "kraken": Ways(
        conditional=_SPOT_STOPS | {OrderType.TRAILING_STOP},
        spot_only=True,
        amends=True,
        cancels_by_client_id=True,
        page="offset",
    ),
    "bybit": Ways(
        amends=True,
        stream_fills=True,
        coins=True,
        window_days=7,
        # Of 20 it would give by itself.
        open_pages=Pages(sent="cursor", told="nextPageCursor", most=50),
        open_kinds=("spot", "swap"),
    ),
    "deribit": Ways(amends=True),
}


def ways_of(exchange: str) -> Ways:
    """Return an exchange's own ways."""
    return _WAYS.get(exchange, Ways())


def features(client: Any, instrument: Instrument, method: str) -> Mapping[str, Any]:
    """Return what ccxt says a method of an exchange can do with an instrument; may be empty."""
    kind = {
        InstrumentKind.PERPETUAL: "swap",
        InstrumentKind.FUTURE: "future",
        InstrumentKind.OPTION: "option",
    }.get(instrument.kind, "spot")
    found: Any = (client.features or {}).get(kind) or {}
    if kind != "spot":
        found = found.get("inverse" if instrument.inverse else "linear") or {}
    return found.get(method) or {}


def abilities(
    client: Any,
    exchange: str,
    instrument: Instrument,
    *,
    dead_man: bool,
    switch: str,
    streams: bool,
) -> VenueAbilities:
    """Return what the adapter uses of an exchange with an instrument."""
    ways, can = ways_of(exchange), features(client, instrument, "createOrder")
    times = can.get("timeInForce") or {}
    known = frozenset(ours for name, ours in _TIMES.items() if times.get(name))
    conditional = frozenset[OrderType]()
    if not (ways.spot_only and instrument.derivative):
        if can.get("stopLossPrice"):
            conditional |= ways.conditional & _STOPS
        if can.get("takeProfitPrice"):
            conditional |= ways.conditional & _TARGETS
        if can.get("trailing"):
            conditional |= ways.conditional & {OrderType.TRAILING_STOP}
    return VenueAbilities(
        types=_PLAIN | conditional,
        times=known | {TimeInForce.GTC},
        amend="any" if ways.amends and client.has.get("editOrder") else "no",
        post_only=bool(times.get("PO")),
        reduce_only=instrument.derivative,
        dead_man=dead_man,
        switch=switch,
        private="ccxt stream" if streams else "polling",
    )
