"""OKX's dead-man switch: cancel-all-after, renewed as long as we live."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import msgspec

from core.model.errors import ConfigError, DataError, OutcomeUnknown, TemporaryError
from core.model.facts import DeadManSet
from core.model.ids import VenueName
from core.model.ports import Clock, VenueSink
from core.venues.okx.messages import Envelope, Switched
from core.venues.okx.rest import OkxRest, stated

_log = logging.getLogger(__name__)

SHORTEST_S: Final = 10
LONGEST_S: Final = 120
"""What the venue takes, in whole seconds."""
_RENEWALS: Final = 3
"""Tries within one time-out; the venue takes one a second."""
_ARMED: Final = msgspec.json.Decoder(Envelope[Switched])


class DeadMan:
    """Cancels every plain order of the account at the venue once it hears nothing from us.

    Stops and targets that wait for a trigger are not its business: they live on.
    """

    def __init__(
        self, venue: VenueName, rest: OkxRest, seconds: float, *, clock: Clock, sink: VenueSink
    ) -> None:
        self._venue = venue
        self._rest = rest
        self._seconds = int(seconds)
        self._clock = clock
        self._sink = sink
        self._told = ""

    async def run(self) -> None:
        """Arm it and renew it until cancelled; it stays armed then, for nobody looks after."""
        while True:
            if await self._renew():
                # Those of others and from before are covered too: the venue knows one switch.
                self._tell(f"cancels everything in the book {self._seconds} s after our last word")
            await asyncio.sleep(self._seconds / _RENEWALS)

    async def _renew(self) -> bool:
        body: dict[str, object] = {"timeOut": str(self._seconds)}
        try:
            reply = await self._rest.send("trade/cancel-all-after", body, patient=True)
            armed = reply.status == 200 and _ARMED.decode(reply.body).code == "0"
        except (TemporaryError, OutcomeUnknown, DataError, msgspec.MsgspecError) as error:
            _log.warning("%s: the dead-man switch was not renewed, %s", self._venue, error)
            return False
        if not armed:
            code, words = stated(reply)
            _log.warning("%s: dead-man switch refused, %s %s", self._venue, code, words)
            if code in {"51000", "50120"}:
                self._tell("")
        return armed

    def _tell(self, state: str) -> None:
        if state != self._told:
            self._told = state
            self._sink(DeadManSet(venue=self._venue, state=state, ts_ns=self._clock.now_ns()))


def check_seconds(name: str, seconds: float) -> float:
    """Return the time of the switch, 0: it is not wanted.

    Raises:
        ConfigError: The venue does not take it.
    """
    if seconds and (seconds != int(seconds) or not SHORTEST_S <= seconds <= LONGEST_S):
        raise ConfigError(
            f"venues.{name}.dead_man_s must be 0 or a whole number of {SHORTEST_S}-{LONGEST_S} s "
            f"at OKX, was {seconds:g}"
        )
    return seconds
