"""What Binance USD-M's REST answers and account events look like, as far as we read them."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

_ZERO: Final = Decimal(0)


class OrderRow(msgspec.Struct, frozen=True, rename="camel"):
    """An order as placed, changed or asked for.

    ``{"orderId":1917641,"symbol":"BTCUSDT","status":"NEW","clientOrderId":"abc","price":"9300",
    "avgPrice":"0.00000","origQty":"0.40","executedQty":"0","cumQuote":"0","timeInForce":"GTC",
    "type":"LIMIT","reduceOnly":false,"closePosition":false,"side":"BUY","positionSide":"SHORT",
    "stopPrice":"0","origType":"LIMIT","goodTillDate":0,"updateTime":1579276756075,..}``
    """

    order_id: int
    symbol: str
    status: str
    client_order_id: str
    price: Decimal
    orig_qty: Decimal
    executed_qty: Decimal
    type: str
    side: str
    avg_price: Decimal = _ZERO
    stop_price: Decimal = _ZERO
    reduce_only: bool = False
    position_side: str = "BOTH"
    update_time: int = 0
    time: int = 0


class BatchRow(msgspec.Struct, frozen=True, rename="camel"):
    """One answer of a batch: an order, or ``{"code":-2011,"msg":"Unknown order sent."}``."""

    code: int = 0
    msg: str = ""
    status: str = ""
    order_id: int | None = None
    update_time: int = 0
    executed_qty: Decimal | None = None


class AlgoReply(msgspec.Struct, frozen=True, rename="camel"):
    """A conditional order as placed.

    ``{"algoId":2146760,"clientAlgoId":"6B2I9..","algoType":"CONDITIONAL","orderType":
    "TAKE_PROFIT","symbol":"BNBUSDT","side":"SELL","positionSide":"BOTH","quantity":"0.01",
    "algoStatus":"NEW","triggerPrice":"750.000","price":"750.000","createTime":1750485492076,
    "updateTime":1750485492076,"triggerTime":0,..}``
    """

    algo_id: int
    client_algo_id: str
    algo_status: str
    create_time: int = 0
    update_time: int = 0


class AlgoRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A conditional order as asked for; ``actualOrderId`` is empty until it has fired.

    The same words, and ``"actualOrderId":"88937381063","actualPrice":"0.00000",..``; older answers
    call the type ``type``.
    """

    algo_id: int
    client_algo_id: str
    algo_status: str
    symbol: str
    side: str
    order_type: str = ""
    type: str = ""
    position_side: str = "BOTH"
    quantity: Decimal = _ZERO
    trigger_price: Decimal = _ZERO
    price: Decimal = _ZERO
    reduce_only: bool = False
    close_position: bool = False
    actual_order_id: str = ""
    create_time: int = 0
    update_time: int = 0
    trigger_time: int = 0


class TradeRow(msgspec.Struct, frozen=True, rename="camel"):
    """An own execution.

    ``{"buyer":false,"commission":"-0.07819010","commissionAsset":"USDT","id":698759,"maker":false,
    "orderId":25851813,"price":"7819.01","qty":"0.002","quoteQty":"15.63802","realizedPnl":
    "-0.91539999","side":"SELL","positionSide":"SHORT","symbol":"BTCUSDT","time":1569514978020}``
    """

    id: int
    order_id: int
    side: str
    price: Decimal
    qty: Decimal
    realized_pnl: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    maker: bool
    position_side: str = "BOTH"


class BalanceRow(msgspec.Struct, frozen=True, rename="camel"):
    """What there is of an asset, without what open positions are worth.

    ``{"asset":"USDT","balance":"122607.35137903","crossWalletBalance":"23.72469206",
    "crossUnPnl":"0.00000000","availableBalance":"23.72469206",..}``
    """

    asset: str
    balance: Decimal
    available_balance: Decimal


class PositionRow(msgspec.Struct, frozen=True, rename="camel"):
    """A position that is open or has orders; negative when short.

    ``{"symbol":"ADAUSDT","positionSide":"BOTH","positionAmt":"30","entryPrice":"0.385",
    "breakEvenPrice":"0.385077","markPrice":"0.41047590","unRealizedProfit":"0.76427700",
    "liquidationPrice":"0","notional":"12.31427700","marginAsset":"USDT",
    "initialMargin":"0.61571385","maintMargin":"0.08004280","updateTime":1720736417660,..}``
    """

    symbol: str
    position_amt: Decimal
    entry_price: Decimal
    liquidation_price: Decimal
    position_side: str = "BOTH"
    initial_margin: Decimal | None = None
    update_time: int = 0


class SymbolConfig(msgspec.Struct, frozen=True):
    """``{"symbol":"BTCUSDT","marginType":"CROSSED","leverage":21,"maxNotionalValue":"10000"}``."""

    symbol: str
    leverage: int


class IncomeRow(msgspec.Struct, frozen=True, rename="camel"):
    """Why the balance changed; ``tranId`` is one for each row of a type.

    ``{"symbol":"BTCUSDT","incomeType":"COMMISSION","income":"-0.01000000","asset":"USDT",
    "info":"COMMISSION","time":1570636800000,"tranId":9689322392,"tradeId":"2059192"}``
    """

    income_type: str
    income: Decimal
    asset: str
    time: int
    tran_id: int
    symbol: str = ""


class BracketRow(msgspec.Struct, frozen=True, rename="camel"):
    """What holds between two notionals.

    ``{"bracket":1,"initialLeverage":75,"notionalCap":10000,"notionalFloor":0,
    "maintMarginRatio":0.0065,"cum":0}``
    """

    bracket: int
    initial_leverage: Decimal
    notional_cap: Decimal
    notional_floor: Decimal
    maint_margin_ratio: Decimal
    cum: Decimal


class BracketsRow(msgspec.Struct, frozen=True):
    """What a symbol's margin is by notional; ``notionalCoef`` is the account's own multiplier.

    ``{"symbol":"ETHUSDT","notionalCoef":1.50,"brackets":[{"bracket":1,..},..]}``
    """

    symbol: str
    brackets: list[BracketRow]


class PositionMode(msgspec.Struct, frozen=True, rename="camel"):
    """``{"dualSidePosition":true}``: long and short are held apart."""

    dual_side_position: bool


class ListenKey(msgspec.Struct, frozen=True, rename="camel"):
    """``{"listenKey":"pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"}``."""

    listen_key: str


class OrderUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "symbol": "s",
        "client_order_id": "c",
        "side": "S",
        "time_in_force": "f",
        "size": "q",
        "price": "p",
        "execution": "x",
        "status": "X",
        "order_id": "i",
        "last_size": "l",
        "filled": "z",
        "last_price": "L",
        "fee": "n",
        "fee_asset": "N",
        "time_ms": "T",
        "trade_id": "t",
        "maker": "m",
        "position_side": "ps",
        "realised": "rp",
        "original_type": "ot",
    },
):
    """Something happened to an order of the account.

    ``{"s":"BTCUSDT","c":"TEST","S":"BUY","o":"LIMIT","f":"GTC","q":"0.002","p":"7100.50",
    "ap":"7100.50","sp":"0","x":"TRADE","X":"PARTIALLY_FILLED","i":8886774,"l":"0.001",
    "z":"0.001","L":"7100.50","N":"USDT","n":"0.01000000","T":1568879465651,"t":12345678,
    "m":true,"R":false,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"LONG","cp":false,"rp":"12.34",..}``
    """

    symbol: str
    client_order_id: str
    side: str
    size: Decimal
    price: Decimal
    execution: str
    status: str
    order_id: int
    last_size: Decimal
    last_price: Decimal
    time_ms: int
    trade_id: int
    time_in_force: str = "GTC"
    fee: Decimal | None = None
    fee_asset: str | None = None
    maker: bool = False
    position_side: str = "BOTH"
    realised: Decimal | None = None
    filled: Decimal | None = None
    original_type: str = ""
    """The type it was placed with: that of a conditional order that has fired."""


class AlgoUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "client_algo_id": "caid",
        "algo_id": "aid",
        "status": "X",
        "order_id": "ai",
        "trigger_ms": "tt",
        "reason": "rm",
    },
):
    """Something happened to a conditional order.

    ``{"caid":"Q5xaq5EGKgXXa0fD7fs0Ip","aid":2148719,"at":"CONDITIONAL","o":"TAKE_PROFIT",
    "s":"BNBUSDT","S":"SELL","ps":"BOTH","f":"GTC","q":"0.01","X":"CANCELED","ai":"","ap":"0",
    "aq":"0","act":"0","tp":"750","p":"750","wt":"CONTRACT_PRICE","cp":false,"R":false,"tt":0,
    "gtd":0,"rm":"Reduce Only reject"}``
    """

    client_algo_id: str
    algo_id: int
    status: str
    order_id: str = ""
    trigger_ms: int = 0
    reason: str = ""


class AssetUpdate(msgspec.Struct, frozen=True):
    """``{"a":"USDT","wb":"122624.12345678","cw":"100.12345678","bc":"50.12345678"}``."""

    a: str
    wb: Decimal


class AccountUpdate(msgspec.Struct, frozen=True):
    """Balances that moved, and why: ``{"m":"ORDER","B":[..],"P":[..]}``."""

    m: str
    B: list[AssetUpdate] = []


class MarginPosition(msgspec.Struct, frozen=True):
    """``{"s":"ETHUSDT","ps":"LONG","pa":"1.327","mp":"187.17127","mm":"1.614445",..}``."""

    s: str
    pa: str
    mm: str
    ps: str = "BOTH"


class Event(msgspec.Struct, frozen=True):
    """What is common to the account's events.

    ``{"e":"ORDER_TRADE_UPDATE","E":1568879465651,"T":1568879465650,"o":{..}}``,
    ``{"e":"ACCOUNT_UPDATE","E":..,"T":..,"a":{"m":"FUNDING_FEE","B":[..]}}``,
    ``{"e":"MARGIN_CALL","E":1587727187525,"cw":"3.16812045","p":[..]}`` or
    ``{"e":"listenKeyExpired","E":..,"listenKey":".."}``; wrapped as ``{"stream":..,"data":{..}}``
    where several streams share a connection.
    """

    e: str = ""
    E: int = 0
    T: int = 0
    o: msgspec.Raw = msgspec.Raw()
    a: msgspec.Raw = msgspec.Raw()
    p: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()


ORDER: Final = msgspec.json.Decoder(OrderRow)
ORDERS: Final = msgspec.json.Decoder(list[OrderRow])
BATCH: Final = msgspec.json.Decoder(list[BatchRow])
ALGO_REPLY: Final = msgspec.json.Decoder(AlgoReply)
ALGO: Final = msgspec.json.Decoder(AlgoRow)
ALGOS: Final = msgspec.json.Decoder(list[AlgoRow])
TRADES: Final = msgspec.json.Decoder(list[TradeRow])
BALANCES: Final = msgspec.json.Decoder(list[BalanceRow])
POSITIONS: Final = msgspec.json.Decoder(list[PositionRow])
BRACKETS: Final = msgspec.json.Decoder(list[BracketsRow])
SYMBOLS: Final = msgspec.json.Decoder(list[SymbolConfig])
INCOME: Final = msgspec.json.Decoder(list[IncomeRow])
MODE: Final = msgspec.json.Decoder(PositionMode)
LISTEN_KEY: Final = msgspec.json.Decoder(ListenKey)
EVENT: Final = msgspec.json.Decoder(Event)
ORDER_UPDATE: Final = msgspec.json.Decoder(OrderUpdate)
ALGO_UPDATE: Final = msgspec.json.Decoder(AlgoUpdate)
ACCOUNT_UPDATE: Final = msgspec.json.Decoder(AccountUpdate)
MARGIN_CALL: Final = msgspec.json.Decoder(list[MarginPosition])
