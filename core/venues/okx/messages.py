"""What OKX's REST answers and private channels look like, as far as we read them.

OKX writes every number as text, and leaves text empty where there is none.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Envelope(msgspec.Struct, Generic[T], frozen=True):
    """Every answer: ``{"code":"0","msg":"","data":[..]}``; an order's own code is in its row."""

    code: str
    msg: str = ""
    data: list[T] = []


class Acked(msgspec.Struct, frozen=True):
    """What became of one order of a request.

    ``{"ordId":"312269865356374016","clOrdId":"b15","tag":"","sCode":"0","sMsg":"",
    "ts":"1695190491421"}``; algo orders have ``algoId`` and ``algoClOrdId``.
    """

    ordId: str = ""
    clOrdId: str = ""
    algoId: str = ""
    algoClOrdId: str = ""
    sCode: str = "0"
    sMsg: str = ""
    ts: str = ""


class Empty(msgspec.Struct, frozen=True):
    """A row whose fields do not matter."""


class ServerTime(msgspec.Struct, frozen=True):
    """``{"ts":"1597026383085"}``."""

    ts: str


class OrderRow(msgspec.Struct, frozen=True):
    """An order, as listed and as the orders channel pushes it; the latter with what just happened.

    ``{"instType":"SPOT","instId":"BTC-USDT","ordId":"680800019749904384","clOrdId":"","px":"",
    "sz":"100","side":"buy","posSide":"net","ordType":"market","state":"filled",
    "accFillSz":"0.00192834","avgPx":"51858","fillPx":"51858","fillSz":"0.00192834",
    "tradeId":"744876980","fillTime":"1708587373361","execType":"T","fillFee":"-0.00000192834",
    "fillFeeCcy":"BTC","fillPnl":"0","reduceOnly":"false","cancelSource":"","algoClOrdId":"",
    "algoId":"","amendResult":"","reqId":"","uTime":"1708587373362",..}``
    """

    instType: str
    instId: str
    ordId: str
    side: str
    ordType: str
    sz: str
    state: str
    clOrdId: str = ""
    algoClOrdId: str = ""
    algoId: str = ""
    px: str = ""
    posSide: str = ""
    accFillSz: str = "0"
    avgPx: str = ""
    reduceOnly: str | bool = ""
    cancelSource: str = ""
    cancelSourceReason: str = ""
    cTime: str = ""
    uTime: str = ""
    tgtCcy: str = ""
    fillPx: str = ""
    fillSz: str = ""
    fillTime: str = ""
    fillFee: str = ""
    fillFeeCcy: str = ""
    fillPnl: str = ""
    fee: str = ""
    """Of all fills of the order, as ``pnl``."""
    feeCcy: str = ""
    pnl: str = ""
    tradeId: str = ""
    execType: str = ""
    amendResult: str = ""
    code: str = ""
    msg: str = ""


class AlgoRow(msgspec.Struct, frozen=True):
    """An order that waits for a trigger, as listed and as the orders-algo channel pushes it.

    ``{"instType":"SWAP","instId":"BTC-USDT-SWAP","algoId":"581878926302093312","algoClOrdId":"",
    "ordId":"","ordType":"conditional","side":"buy","posSide":"net","sz":"3","state":"live",
    "slTriggerPx":"31000","slOrdPx":"-1","tpTriggerPx":"","tpOrdPx":"","triggerPx":"","ordPx":"",
    "moveTriggerPx":"","reduceOnly":"false","failCode":"","triggerTime":"","cTime":"1685523277..",
    "uTime":"",..}``
    """

    instType: str
    instId: str
    algoId: str
    ordType: str
    side: str
    sz: str
    state: str
    algoClOrdId: str = ""
    ordId: str = ""
    ordIdList: list[str] = []
    posSide: str = ""
    ordPx: str = ""
    triggerPx: str = ""
    slTriggerPx: str = ""
    slOrdPx: str = ""
    tpTriggerPx: str = ""
    tpOrdPx: str = ""
    moveTriggerPx: str = ""
    triggerTime: str = ""
    reduceOnly: str | bool = ""
    failCode: str = ""
    amendResult: str = ""
    cTime: str = ""
    uTime: str = ""


class FillRow(msgspec.Struct, frozen=True):
    """An own execution.

    ``{"instType":"SPOT","instId":"BTC-USDT","tradeId":"744876980","ordId":"680800019749904384",
    "clOrdId":"","billId":"680800019754098688","subType":"1","fillPx":"51858",
    "fillSz":"0.00192834","side":"buy","posSide":"net","execType":"T","feeCcy":"BTC",
    "fee":"-0.00000192834","fillPnl":"0","fillTime":"1708587373361","ts":"1708587373362",..}``
    """

    instType: str
    instId: str
    tradeId: str
    ordId: str
    billId: str
    fillPx: str
    fillSz: str
    side: str
    feeCcy: str
    fee: str
    ts: str
    clOrdId: str = ""
    posSide: str = ""
    execType: str = ""
    fillPnl: str = ""
    fillTime: str = ""


class Detail(msgspec.Struct, frozen=True):
    """``{"ccy":"USDT","cashBal":"4850.43","frozenBal":"0","ordFrozen":"0","uTime":"17..",..}``."""

    ccy: str
    cashBal: str
    ordFrozen: str = ""
    uTime: str = ""


class AccountRow(msgspec.Struct, frozen=True):
    """``{"uTime":"1705474164160","totalEq":"55415.62","details":[..],..}``."""

    details: list[Detail]
    uTime: str = ""


class PositionRow(msgspec.Struct, frozen=True):
    """An open position.

    ``{"instType":"SWAP","instId":"BTC-USDT-SWAP","posSide":"net","pos":"-3","avgPx":"30123.1",
    "liqPx":"41000","lever":"10","imr":"90.3","margin":"","ccy":"USDT","uTime":"1619507761462",..}``
    """

    instType: str
    instId: str
    posSide: str
    pos: str
    avgPx: str = ""
    liqPx: str = ""
    lever: str = ""
    imr: str = ""
    margin: str = ""
    mgnRatio: str = ""
    uTime: str = ""


class BillRow(msgspec.Struct, frozen=True):
    """One line of the account's books.

    ``{"billId":"623950854533513219","type":"8","subType":"173","ccy":"USDT","balChg":"-0.0567",
    "instType":"SWAP","instId":"BTC-USDT-SWAP","ordId":"","tradeId":"","ts":"1695033476166",..}``
    """

    billId: str
    type: str
    ccy: str
    balChg: str
    ts: str
    subType: str = ""
    instId: str = ""
    ordId: str = ""
    tradeId: str = ""


class BothRow(msgspec.Struct, frozen=True):
    """``{"pTime":"1597026383085","eventType":"funding_fee","balData":[..],"posData":[..]}``."""

    eventType: str = ""


class ConfigRow(msgspec.Struct, frozen=True):
    """``{"acctLv":"2","posMode":"net_mode","perm":"read_only,trade",..}``."""

    posMode: str


class Switched(msgspec.Struct, frozen=True):
    """``{"triggerTime":"1587971460","tag":"","ts":"1587971400"}``."""

    triggerTime: str


class Subscribed(msgspec.Struct, frozen=True):
    """The channel a push belongs to."""

    channel: str = ""


class Push(msgspec.Struct, frozen=True):
    """A frame of a private socket.

    ``{"event":"login","code":"0","msg":"","connId":"a4d3ae55"}``,
    ``{"event":"subscribe","arg":{"channel":"orders","instType":"ANY"},"connId":"a4d3ae55"}``,
    ``{"event":"error","code":"60009","msg":"Login failed.","connId":"a4d3ae55"}`` or
    ``{"arg":{"channel":"orders","instType":"ANY","uid":"77982378738415879"},"data":[{..}]}``
    """

    event: str = ""
    code: str = ""
    msg: str = ""
    arg: Subscribed = Subscribed()
    data: msgspec.Raw = msgspec.Raw()


ACKED: Final = msgspec.json.Decoder(Envelope[Acked])
PUSH: Final = msgspec.json.Decoder(Push)
ORDERS: Final = msgspec.json.Decoder(list[OrderRow])
ALGOS: Final = msgspec.json.Decoder(list[AlgoRow])
ACCOUNTS: Final = msgspec.json.Decoder(list[AccountRow])
POSITIONS: Final = msgspec.json.Decoder(list[PositionRow])
BOTHS: Final = msgspec.json.Decoder(list[BothRow])
