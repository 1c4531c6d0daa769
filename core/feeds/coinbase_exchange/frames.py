"""Coinbase Exchange messages as msgspec types; unknown fields are ignored."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Raw

Id: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class Snapshot(msgspec.Struct, gc=False):
    """An image of the book.

    ::

        {"type":"snapshot","product_id":"BAND-GBP","asks":[["14.8024","12.77"]],"bids":[...]}
    """

    product_id: str
    bids: Raw
    asks: Raw
    time: str = ""


class Update(msgspec.Struct, gc=False):
    """Changes of the book, sizes absolute; some carry a time of the year 1.

    ::

        {"type":"l2update","product_id":"SKL-BTC","changes":[["sell","0.00001306","660.5"]],
         "time":"2021-04-17T16:43:37.075687Z"}
    """

    product_id: str
    changes: Raw
    time: str = ""


class Match(msgspec.Struct, gc=False):
    """One trade; `side` is the resting order's.

    ::

        {"type":"match","trade_id":280232,"maker_order_id":"2a0da34e-61f7-4c36-88e5-c9dd15927b16",
         "taker_order_id":"3c82abaa-c01e-4608-be59-6a1e69742891","side":"sell","size":"985",
         "price":"0.00001305","product_id":"SKL-BTC","sequence":177100030,
         "time":"2021-04-17T16:43:37.089723Z"}
    """

    product_id: str
    trade_id: Id
    side: str
    size: str
    price: str
    time: str


class PastTrade(msgspec.Struct, gc=False):
    """A trade as REST tells it; `side` is the resting order's here, too."""

    time: str
    trade_id: Id
    price: str
    size: str
    side: str


class Ticker(msgspec.Struct, gc=False):
    """State after a trade; its `side` would be the taker's.

    ::

        {"type":"ticker","sequence":50978628538,"product_id":"BTC-USD","price":"17165.16",
         "open_24h":"16437.94","volume_24h":"42492.05081975","low_24h":"16423.37",
         "high_24h":"17259.37","volume_30d":"1093827.95195495","best_bid":"17165.15",
         "best_bid_size":"0.61540890","best_ask":"17167.76","best_ask_size":"0.18528568",
         "side":"sell","time":"2022-12-01T00:00:00.122581Z","trade_id":463751434,"last_size":"0.05"}
    """

    product_id: str
    price: str = ""
    open_24h: str = ""
    volume_24h: str = ""
    low_24h: str = ""
    high_24h: str = ""
    best_bid: str = ""
    best_bid_size: str = ""
    best_ask: str = ""
    best_ask_size: str = ""
    time: str = ""


class Heartbeat(msgspec.Struct, gc=False):
    """Every second and product.

    ::

        {"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD",
         "time":"2014-11-07T08:19:28.464459Z"}
    """

    product_id: str
    last_trade_id: Id


class Outer(msgspec.Struct, gc=False):
    """Any message, as far as it tells what it is."""

    type: str = ""
    message: str = ""
    reason: str = ""


class Named(msgspec.Struct, gc=False):
    """A channel with products of its own."""

    name: str
    product_ids: list[str] = []


class Request(msgspec.Struct, gc=False):
    """What we sent: ``{"type":"subscribe","product_ids":[..],"channels":["level2_batch"]}``."""

    type: str = ""
    product_ids: list[str] = []
    channels: list[str | Named] = []


class Time(msgspec.Struct, gc=False):
    """``{"iso":"2015-01-07T23:47:25.201Z","epoch":1420674445.201}``."""

    epoch: Decimal


class Book(msgspec.Struct, gc=False):
    """A REST book: levels of price, size and count of orders."""

    bids: list[tuple[str, str, msgspec.Raw]] = []
    asks: list[tuple[str, str, msgspec.Raw]] = []
    time: str = ""
