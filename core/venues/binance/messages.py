"""What Binance's REST and WS-API answers look like, as far as we read them."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec


class ErrorBody(msgspec.Struct, frozen=True):
    """``{"code":-2010,"msg":"Account has insufficient balance for requested action."}``."""

    code: int
    msg: str


class ServerTime(msgspec.Struct, frozen=True, rename="camel"):
    """``{"serverTime":1499827319559}``."""

    server_time: int


class ReplyFill(msgspec.Struct, frozen=True, rename="camel"):
    """One execution inside a FULL order reply; always as taker."""

    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    trade_id: int


class OrderReply(msgspec.Struct, frozen=True, rename="camel"):
    """The FULL answer to placing an order.

    ``{"symbol":"BTCUSDT","orderId":28,"clientOrderId":"6gCr..","transactTime":1507725176595,
    "price":"0.00","origQty":"10.0","executedQty":"10.0","status":"FILLED","type":"MARKET",
    "side":"SELL","fills":[{"price":"4000.0","qty":"1.0","commission":"4.0",
    "commissionAsset":"USDT","tradeId":56},..]}``
    """

    order_id: int
    client_order_id: str
    status: str
    transact_time: int
    fills: list[ReplyFill] = []
    executed_qty: Decimal | None = None


class Canceled(msgspec.Struct, frozen=True, rename="camel"):
    """An order a cancel ended; ``clientOrderId`` is the cancel's own.

    ``{"symbol":"LTCBTC","origClientOrderId":"myOrder1","orderId":4,"clientOrderId":"cancelMy1",
    "transactTime":1684804350068,"executedQty":"0.0","status":"CANCELED",..}``
    """

    orig_client_order_id: str
    status: str
    order_id: int | None = None
    transact_time: int = 0
    executed_qty: Decimal | None = None


class CanceledList(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to the cancel of one order of a list: all of them went.

    ``{"orderListId":0,"contingencyType":"OCO","listStatusType":"ALL_DONE",..,"orderReports":[..]}``
    """

    order_reports: list[Canceled]


class ListedOrder(msgspec.Struct, frozen=True, rename="camel"):
    """An order of a list that was placed; without its fills."""

    order_id: int
    client_order_id: str
    status: str
    transact_time: int
    time_in_force: str = "GTC"
    executed_qty: Decimal | None = None


class ListReply(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to placing a list.

    ``{"orderListId":1,"contingencyType":"OCO","listStatusType":"EXEC_STARTED",
    "listOrderStatus":"EXECUTING","orders":[{"symbol":"LTCBTC","orderId":10,"clientOrderId":
    "44n.."},..],"orderReports":[{"orderId":10,"clientOrderId":"44n..","status":"NEW",..},..]}``
    """

    order_reports: list[ListedOrder]


class AmendedOrder(msgspec.Struct, frozen=True, rename="camel"):
    """An order as a change left it."""

    order_id: int
    qty: Decimal
    price: Decimal
    stop_price: Decimal = Decimal(0)


class AmendReply(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to a change that kept an order's place.

    ``{"transactTime":1741926410255,"executionId":75,"amendedOrder":{"symbol":"BTCUSDT",
    "orderId":33,"origClientOrderId":"5xrg..","clientOrderId":"4zR9..","price":"6.00000000",
    "qty":"5.00000000","executedQty":"0.00000000","status":"NEW",..}}``
    """

    transact_time: int
    amended_order: AmendedOrder


class OrderRow(msgspec.Struct, frozen=True, rename="camel"):
    """An order as queried.

    ``{"symbol":"LTCBTC","orderId":1,"clientOrderId":"myOrder1","price":"0.1","origQty":"1.0",
    "executedQty":"0.0","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY",
    "time":1499827319559,"updateTime":1499827319559,..}``
    """

    symbol: str
    order_id: int
    client_order_id: str
    price: Decimal
    orig_qty: Decimal
    executed_qty: Decimal
    status: str
    type: str
    side: str
    time: int
    update_time: int = 0
    stop_price: Decimal = Decimal(0)
    trailing_delta: int = 0
    cummulative_quote_qty: Decimal = Decimal(0)


class TradeRow(msgspec.Struct, frozen=True, rename="camel"):
    """An own execution.

    ``{"symbol":"BNBBTC","id":28457,"orderId":100234,"price":"4.00000100","qty":"12.0",
    "commission":"10.1","commissionAsset":"BNB","time":1499865549590,"isBuyer":true,
    "isMaker":false,..}``
    """

    id: int
    order_id: int
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool


class AssetRow(msgspec.Struct, frozen=True):
    """``{"asset":"BTC","free":"4723846.89208129","locked":"0.00000000"}``."""

    asset: str
    free: Decimal
    locked: Decimal


class AccountReply(msgspec.Struct, frozen=True, rename="camel"):
    """The part of the account answer that says what it holds."""

    balances: list[AssetRow]
    update_time: int = 0


class StreamFrame(msgspec.Struct, frozen=True, rename="camel"):
    """A WS-API frame: an answer (``id``, ``status``) or an event of the account.

    ``{"id":"1","status":200,"result":{"subscriptionId":0},..}``,
    ``{"id":"1","status":400,"error":{"code":-1022,"msg":".."}}`` or
    ``{"subscriptionId":0,"event":{"e":"executionReport",..}}``
    """

    id: str | int | None = None
    status: int = 0
    error: ErrorBody | None = None
    result: msgspec.Raw = msgspec.Raw()
    event: msgspec.Raw = msgspec.Raw()
    """Empty for an answer."""


class EventHead(msgspec.Struct, frozen=True):
    """The kind of an event."""

    e: str


class ExecutionReport(
    msgspec.Struct,
    frozen=True,
    rename={
        "event_time_ms": "E",
        "symbol": "s",
        "client_order_id": "c",
        "original_client_order_id": "C",
        "side": "S",
        "execution": "x",
        "status": "X",
        "reject_reason": "r",
        "order_id": "i",
        "last_size": "l",
        "last_price": "L",
        "fee": "n",
        "fee_asset": "N",
        "time_ms": "T",
        "trade_id": "t",
        "maker": "m",
        "time_in_force": "f",
        "kind": "o",
        "size": "q",
        "price": "p",
        "stop_price": "P",
        "working_ms": "W",
        "list_id": "g",
        "filled": "z",
    },
):
    """Something happened to an order of the account.

    ``{"e":"executionReport","E":1499405658658,"s":"ETHBTC","c":"mUvo..","S":"BUY","o":"LIMIT",
    "f":"GTC","q":"1.0","p":"0.10264410","C":"","x":"NEW","X":"NEW","r":"NONE","i":4293153,
    "l":"0.0","z":"0.0","L":"0.0","n":"0","N":null,"T":1499405658657,"t":-1,"I":3,"m":false,..}``
    """

    event_time_ms: int
    symbol: str
    client_order_id: str
    side: str
    execution: str
    status: str
    order_id: int
    time_ms: int
    original_client_order_id: str = ""
    reject_reason: str = "NONE"
    last_size: Decimal = Decimal(0)
    last_price: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    fee_asset: str | None = None
    trade_id: int = -1
    maker: bool = False
    time_in_force: str = "GTC"
    kind: str = ""
    size: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    stop_price: Decimal = Decimal(0)
    working_ms: int = 0
    """Since when it is in the book; 0: it waits for its trigger, or does not rest."""
    list_id: int = -1
    """The list it is of, -1: none."""
    filled: Decimal = Decimal(0)


class ListedName(msgspec.Struct, frozen=True):
    """``{"s":"ETHBTC","i":17,"c":"AJYsMjErWJesZvqlJCTUgL"}``."""

    c: str


class ListStatus(msgspec.Struct, frozen=True):
    """How a list stands.

    ``{"e":"listStatus","E":1564035303637,"s":"ETHBTC","g":2,"c":"OCO","l":"EXEC_STARTED",
    "L":"EXECUTING","r":"NONE","C":"F4QN4G8DlFATFlIUQ0cjdD","T":1564035303625,"O":[..]}``
    """

    g: int
    L: str
    r: str
    O: list[ListedName]  # noqa: E741 - the venue's own letter


class BalanceUpdate(msgspec.Struct, frozen=True):
    """Money came or went without a trade.

    ``{"e":"balanceUpdate","E":1573200697110,"a":"BTC","d":"100.00000000","T":1573200697068}``
    """

    E: int
    a: str
    d: Decimal
    T: int


class PositionAsset(msgspec.Struct, frozen=True):
    """``{"a":"ETH","f":"10000.000000","l":"0.000000"}``."""

    a: str
    f: Decimal
    l: Decimal  # noqa: E741 - the venue's own letter


class AccountPosition(msgspec.Struct, frozen=True):
    """``{"e":"outboundAccountPosition","E":1564034571105,"u":1564034571073,"B":[..]}``."""

    E: int
    B: list[PositionAsset]


ERROR: Final = msgspec.json.Decoder(ErrorBody)
SERVER_TIME: Final = msgspec.json.Decoder(ServerTime)
ORDER_REPLY: Final = msgspec.json.Decoder(OrderReply)
CANCEL_REPLY: Final = msgspec.json.Decoder(Canceled)
CANCELED_LIST: Final = msgspec.json.Decoder(CanceledList)
LIST_REPLY: Final = msgspec.json.Decoder(ListReply)
AMEND_REPLY: Final = msgspec.json.Decoder(AmendReply)
LIST_STATUS: Final = msgspec.json.Decoder(ListStatus)
BALANCE_UPDATE: Final = msgspec.json.Decoder(BalanceUpdate)
ORDER: Final = msgspec.json.Decoder(OrderRow)
ORDERS: Final = msgspec.json.Decoder(list[OrderRow])
TRADES: Final = msgspec.json.Decoder(list[TradeRow])
ACCOUNT: Final = msgspec.json.Decoder(AccountReply)
FRAME: Final = msgspec.json.Decoder(StreamFrame)
HEAD: Final = msgspec.json.Decoder(EventHead)
EXECUTION: Final = msgspec.json.Decoder(ExecutionReport)
POSITION: Final = msgspec.json.Decoder(AccountPosition)
