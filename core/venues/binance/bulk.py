"""Many cancels at once: frames on the socket that is open anyway, none waiting for another.

Over request lines the last of 200 leaves when the answers to the first 168 have come. A cancel
names its order, so one that may have been lost is sent again by a line: twice does no harm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from core.model.errors import ConfigError, OutcomeUnknown, TemporaryError
from core.model.orders import Order
from core.model.ports import Clock
from core.venues.binance.answers import Answers
from core.venues.binance.messages import StreamFrame
from core.venues.binance.rest import OFF_TIME, BinanceRest
from core.venues.binance.stream import UserStream
from core.venues.symbols import Symbols
from core.wire.http import HttpReply

MANY: Final = 16
"""More cancels than this go over the socket; as many have request lines to themselves."""

_log = logging.getLogger(__name__)


class BulkCancels:
    """Sends ``order.cancel`` frames and lets answers be judged as those of single cancels are."""

    def __init__(
        self,
        rest: BinanceRest,
        stream: UserStream,
        *,
        clock: Clock,
        symbols: Symbols,
        answers: Answers,
        timeout_s: float,
    ) -> None:
        self._rest = rest
        self._stream = stream
        self._clock = clock
        self._symbols = symbols
        self._answers = answers
        self._timeout_s = timeout_s

    def fits(self, orders: Sequence[Order]) -> bool:
        """Return whether these cancels are many, and the socket is there to take them."""
        return len(orders) > MANY and self._stream.up

    async def send(self, orders: Sequence[Order]) -> list[Order]:
        """Cancel orders; return those whose cancel must go another way, or once more."""
        named = [(order, self._wire(order)) for order in orders]
        plain = [(order, symbol) for order, symbol in named if symbol]
        left = [order for order, symbol in named if not symbol]
        if self._rest.take(len(plain)):
            return list(orders)  # each is refused for itself, or finds room
        sent_ns = self._clock.now_ns()
        requests = [
            self._rest.signed_frame([("symbol", symbol), ("origClientOrderId", order.id)])
            for order, symbol in plain
        ]
        try:
            replies = await self._stream.ask_all("order.cancel", requests)
        except TemporaryError as error:
            _log.warning("%d cancels go by request lines: %s", len(orders), error)
            return list(orders)
        try:
            async with asyncio.timeout(self._timeout_s):
                for (order, symbol), reply in zip(plain, replies, strict=True):
                    try:
                        frame = await reply
                    except OutcomeUnknown:
                        left.append(order)
                        continue
                    if not self._judge(order, symbol, frame, sent_ns):
                        left.append(order)
        except TimeoutError:
            waiting = zip(plain, replies, strict=True)
            left += [order for (order, _), reply in waiting if not reply.done()]
        if left:
            _log.warning("%d of %d cancels are sent once more", len(left), len(orders))
        return left

    def _wire(self, order: Order) -> str:
        """Return the venue's spelling, empty where a request line must see to it."""
        try:
            symbol = self._symbols.wire(order.intent.instrument_id)
        except ConfigError:
            return ""
        return symbol if symbol.isascii() else ""

    def _judge(self, order: Order, symbol: str, frame: StreamFrame, sent_ns: int) -> bool:
        """Tell what came of a cancel; False: it was refused for its time stamp alone."""
        if frame.error is not None and frame.error.code == OFF_TIME:
            return False
        body = bytes(frame.result) if frame.error is None else msgspec.json.encode(frame.error)
        sent = f"order.cancel symbol={symbol}&origClientOrderId={order.id}"
        words = f"status {frame.status}"
        self._rest.witness.exchanged(sent_ns, self._clock.now_ns(), sent, body, words)
        self._answers.canceled(
            order.id, HttpReply(status=frame.status, headers={}, body=body, url=sent)
        )
        return True
