"""What Alpaca's trading API and its ``trade_updates`` look like, as far as we read them."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec


class ErrorBody(msgspec.Struct, frozen=True):
    """``{"code":40310000,"message":"insufficient buying power","buying_power":"0",..}``."""

    message: str
    code: int = 0


class OrderRow(msgspec.Struct, frozen=True):
    """An order.

    ``{"id":"61e69015-8549-4bfd-b9c3-01e75843f47d","client_order_id":"eb9e2aaa-..",
    "submitted_at":"2021-03-16T18:38:01.937734Z","symbol":"AAPL","asset_class":"us_equity",
    "qty":"1","filled_qty":"0","filled_avg_price":null,"order_class":"bracket","type":"limit",
    "side":"buy","time_in_force":"gtc","limit_price":"150.1","stop_price":null,"status":"accepted",
    "replaced_by":null,"replaces":null,"legs":[{..}]}``
    """

    id: str
    client_order_id: str
    symbol: str
    side: str
    type: str
    status: str
    qty: Decimal | None = None
    """None for an order of so many dollars."""
    filled: Decimal | None = msgspec.field(name="filled_qty", default=None)
    filled_avg_price: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: str = ""
    order_class: str = ""
    asset_class: str = ""
    submitted_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    legs: list[OrderRow] | None = None

    @property
    def filled_qty(self) -> Decimal:
        """What is filled; of an order just taken the venue may not say it."""
        return self.filled or Decimal(0)


class Update(msgspec.Struct, frozen=True):
    """One step of an order, as ``trade_updates`` tells it.

    ``{"event":"fill","execution_id":"2f63ea93-..","price":"179.08","qty":"100",
    "position_qty":"100","timestamp":"2018-02-28T20:38:22Z","order":{..}}``
    """

    event: str
    order: OrderRow
    execution_id: str = ""
    timestamp: str = ""
    price: Decimal | None = None
    qty: Decimal | None = None


class Standing(msgspec.Struct, frozen=True):
    """The answer to a login: ``{"status":"authorized","action":"authenticate"}``."""

    status: str = ""
    action: str = ""
    message: str = ""


class Listening(msgspec.Struct, frozen=True):
    """The answer to a listen: ``{"streams":["trade_updates"]}``."""

    streams: list[str] = []


class Frame(msgspec.Struct, frozen=True):
    """A frame: ``{"stream":"trade_updates","data":{..}}``."""

    stream: str
    data: msgspec.Raw = msgspec.Raw(b"{}")


class Fill(msgspec.Struct, frozen=True):
    """A fill as the account's activities list it.

    ``{"id":"20220202135509981::2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e","activity_type":"FILL",
    "transaction_time":"2022-02-02T18:55:09.981482Z","type":"fill","price":"174.78","qty":"2",
    "side":"buy","symbol":"AAPL","leaves_qty":"0","order_id":"b5abe576-..","cum_qty":"2"}``
    """

    id: str
    transaction_time: str
    price: Decimal
    qty: Decimal
    side: str
    symbol: str
    order_id: str


class Activity(msgspec.Struct, frozen=True):
    """What happened besides fills.

    ``{"id":"20190801011955195::5f596936-..","activity_type":"DIV","date":"2019-08-01",
    "net_amount":"1.02","symbol":"T","qty":"2","per_share_amount":"0.51","status":"executed"}``
    """

    id: str
    activity_type: str
    date: str = ""
    created_at: str | None = None
    net_amount: Decimal = Decimal(0)
    qty: Decimal = Decimal(0)
    symbol: str = ""
    currency: str = "USD"
    status: str = "executed"


class Account(msgspec.Struct, frozen=True):
    """The account.

    ``{"status":"ACTIVE","currency":"USD","cash":"-23140.2","equity":"103820.56",
    "position_market_value":"126960.76","pattern_day_trader":false,"daytrade_count":0,
    "trading_blocked":false,"account_blocked":false,"trade_suspended_by_user":false,..}``
    """

    status: str
    cash: Decimal
    equity: Decimal
    long_market_value: Decimal = Decimal(0)
    short_market_value: Decimal = Decimal(0)
    currency: str = "USD"
    trading_blocked: bool = False
    account_blocked: bool = False
    trade_suspended_by_user: bool = False
    pattern_day_trader: bool = False
    daytrade_count: int = 0


class PositionRow(msgspec.Struct, frozen=True):
    """A position: ``{"symbol":"AAPL","asset_class":"us_equity","qty":"5","side":"long",..}``."""

    symbol: str
    asset_class: str
    qty: Decimal
    side: str
    avg_entry_price: Decimal | None = None


ERROR: Final = msgspec.json.Decoder(ErrorBody)
ORDER: Final = msgspec.json.Decoder(OrderRow)
ORDERS: Final = msgspec.json.Decoder(list[OrderRow])
FRAME: Final = msgspec.json.Decoder(Frame)
UPDATE: Final = msgspec.json.Decoder(Update)
STANDING: Final = msgspec.json.Decoder(Standing)
LISTENING: Final = msgspec.json.Decoder(Listening)
FILLS: Final = msgspec.json.Decoder(list[Fill])
ACTIVITIES: Final = msgspec.json.Decoder(list[Activity])
ACCOUNT: Final = msgspec.json.Decoder(Account)
POSITIONS: Final = msgspec.json.Decoder(list[PositionRow])
