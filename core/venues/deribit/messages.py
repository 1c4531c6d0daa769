"""What Deribit's JSON-RPC answers and private channels look like, as far as we read them.

Numbers are JSON numbers; they are read from their text, never through a float.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec


class RpcError(msgspec.Struct, frozen=True):
    """``{"message":"not_enough_funds","code":10009,"data":{"reason":".."}}``."""

    code: int
    message: str
    data: msgspec.Raw = msgspec.Raw()


class Params(msgspec.Struct, frozen=True):
    """Of a notification: a channel with its data, or the type of a heartbeat."""

    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw()


class Frame(msgspec.Struct, frozen=True):
    """A frame of the socket: an answer (``id``) or a notification (``method``).

    ``{"jsonrpc":"2.0","id":5275,"result":{..},"usIn":..,"usOut":..,"usDiff":4,"testnet":false}``,
    ``{"jsonrpc":"2.0","id":8163,"error":{"message":"order_not_found","code":10004}}``,
    ``{"jsonrpc":"2.0","method":"subscription","params":{"channel":"user.changes..","data":{..}}}``
    or ``{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}``
    """

    id: int | None = None
    method: str = ""
    params: Params = Params()
    result: msgspec.Raw = msgspec.Raw()
    error: RpcError | None = None


class Token(msgspec.Struct, frozen=True):
    """``{"token_type":"bearer","refresh_token":"..","expires_in":900,"access_token":"..",..}``."""

    refresh_token: str
    expires_in: int


class OrderRow(msgspec.Struct, frozen=True):
    """An order, waiting, resting or ended.

    ``{"order_id":"ETH-584849853","order_state":"open","order_type":"limit",
    "instrument_name":"ETH-PERPETUAL","direction":"buy","price":1.1,"amount":40.0,
    "filled_amount":0.0,"average_price":0.0,"label":"market0000234","reduce_only":false,
    "replaced":false,"time_in_force":"good_til_cancelled","creation_timestamp":1590480363130,
    "last_update_timestamp":1590480363130,..}``; one that waits has ``"price":"market_price"`` if it
    trades at the market, ``"trigger_price"``, and ``"order_state":"untriggered"``.
    """

    order_id: str
    order_state: str
    order_type: str
    instrument_name: str
    direction: str
    last_update_timestamp: int
    amount: Decimal | None = None
    """Missing where the venue sizes it, such as what closes a whole position."""
    price: msgspec.Raw = msgspec.Raw()
    label: str = ""
    filled_amount: Decimal = Decimal(0)
    average_price: Decimal | None = None
    reduce_only: bool = False
    replaced: bool = False
    trigger_price: Decimal | None = None
    trigger_order_id: str | None = None
    original_order_type: str = ""
    cancel_reason: str = ""
    reject_reason: str = ""
    time_in_force: str = ""


class TradeRow(msgspec.Struct, frozen=True):
    """An own execution.

    ``{"trade_id":"ETH-2696060","trade_seq":1966031,"instrument_name":"ETH-PERPETUAL",
    "order_id":"ETH-584830574","direction":"buy","price":203.3,"amount":1.0,"fee":0.0,
    "fee_currency":"ETH","liquidity":"T","label":"..","profit_loss":0.00000001,
    "timestamp":1590480363130,..}``
    """

    trade_id: str
    trade_seq: int
    instrument_name: str
    order_id: str
    direction: str
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_currency: str
    timestamp: int
    liquidity: str = ""
    label: str = ""
    profit_loss: Decimal | None = None


class Placed(msgspec.Struct, frozen=True):
    """The answer to placing or changing an order: ``{"order":{..},"trades":[..]}``."""

    order: OrderRow
    trades: list[TradeRow] = []


class Changes(msgspec.Struct, frozen=True):
    """``{"instrument_name":"BTC-PERPETUAL","trades":[..],"orders":[..],"positions":[..]}``."""

    trades: list[TradeRow] = []
    orders: list[OrderRow] = []


class TradePage(msgspec.Struct, frozen=True):
    """``{"trades":[..],"has_more":false}``."""

    trades: list[TradeRow]
    has_more: bool = False


class Speed(msgspec.Struct, frozen=True):
    """``{"rate":5,"burst":20}``: requests a second, and at once."""

    rate: float
    burst: float


class Trading(msgspec.Struct, frozen=True):
    """``{"total":{"rate":5,"burst":20}}``."""

    total: Speed | None = None


class Engine(msgspec.Struct, frozen=True):
    """``{"trading":{"total":{"rate":5,"burst":20}},..}``."""

    trading: Trading | None = None


class Limits(msgspec.Struct, frozen=True):
    """``{"limits_per_currency":false,"matching_engine":{..},"non_matching_engine":{..}}``."""

    matching_engine: Engine | None = None
    non_matching_engine: Speed | None = None


class Summary(msgspec.Struct, frozen=True):
    """One currency of the account, asked for or pushed by ``user.portfolio``.

    ``{"currency":"BTC","balance":302.60065765,"equity":302.61869214,
    "futures_session_rpl":-0.03258105,"futures_session_upl":0.05921555,"options_value":-0.0086,
    "limits":{..},..}``
    """

    currency: str
    balance: Decimal
    equity: Decimal | None = None
    futures_session_rpl: Decimal = Decimal(0)
    futures_session_upl: Decimal = Decimal(0)
    options_value: Decimal = Decimal(0)
    limits: Limits | None = None


class Summaries(msgspec.Struct, frozen=True):
    """``{"id":10,"email":"..","summaries":[..]}``."""

    summaries: list[Summary]


class PositionRow(msgspec.Struct, frozen=True):
    """An open position; sizes as of orders.

    ``{"instrument_name":"BTC-PERPETUAL","kind":"future","direction":"sell","size":-50.0,
    "average_price":7440.18,"estimated_liquidation_price":9000.1,"leverage":34,
    "initial_margin":0.0001,..}``
    """

    instrument_name: str
    direction: str
    size: Decimal
    average_price: Decimal | None = None
    estimated_liquidation_price: Decimal | None = None
    leverage: Decimal | None = None
    initial_margin: Decimal | None = None


class LogRow(msgspec.Struct, frozen=True):
    """One line of the transaction log.

    ``{"id":61311,"type":"settlement","currency":"BTC","change":0.00215706,
    "session_upl":0.00220172,"session_rpl":-0.00004467,"interest_pl":0.00000993,
    "total_interest_pl":0.00001243,"instrument_name":"BTC-PERPETUAL","trade_id":null,
    "timestamp":1613659544153,..}``
    """

    id: int
    type: str
    currency: str
    timestamp: int
    change: Decimal = Decimal(0)
    session_rpl: Decimal | None = None
    interest_pl: Decimal | None = None
    total_interest_pl: Decimal | None = None
    instrument_name: str | None = None
    trade_id: str | None = None


class LogPage(msgspec.Struct, frozen=True):
    """``{"logs":[..],"continuation":282756}``."""

    logs: list[LogRow]
    continuation: int | None = None


FRAME: Final = msgspec.json.Decoder(Frame)
CHANGES: Final = msgspec.json.Decoder(Changes)
SUMMARY: Final = msgspec.json.Decoder(Summary)
PLACED: Final = msgspec.json.Decoder(Placed)
ORDER: Final = msgspec.json.Decoder(OrderRow)
