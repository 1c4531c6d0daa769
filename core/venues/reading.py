"""What every adapter leaves to the reader of its account."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from core.model.accounts import Balance, VenuePosition
from core.model.facts import CashMoved
from core.model.ids import InstrumentId
from core.model.orders import OrderFilled, VenueOrder


class Reads(Protocol):
    """An account as its venue states it, all pages of it.

    Every question raises `TemporaryError` when the venue did not answer: nothing is known then.
    """

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open order, and all that wait for a trigger, ours or not."""
        ...

    async def fills(self, instrument_id: InstrumentId, since_ns: int, /) -> list[OrderFilled]:
        """Return executions since a time, oldest first, ours or not."""
        ...

    async def balances(self) -> list[Balance]:
        """Return what the account holds, without what open positions are worth."""
        ...

    async def positions(self) -> list[VenuePosition]:
        """Return the open positions of contracts."""
        ...

    async def cash_flows(self, since_ns: int, /) -> list[CashMoved]:
        """Return what moved money without a fill since a time, oldest first."""
        ...


R = TypeVar("R", bound=Reads)


class ReadsAccount(Generic[R]):
    """The part of an adapter that passes questions on; see `Reads`."""

    _account: R

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open order, and all that wait for a trigger, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        return await self._account.open_orders()

    async def fills(self, instrument_id: InstrumentId, since_ns: int) -> list[OrderFilled]:
        """Return the account's executions since a time, oldest first, ours or not.

        Raises:
            TemporaryError: The venue did not answer.
        """
        return await self._account.fills(instrument_id, since_ns)

    async def balances(self) -> list[Balance]:
        """Return what the account holds, without what open positions are worth.

        Raises:
            TemporaryError: The venue did not answer.
        """
        return await self._account.balances()

    async def positions(self) -> list[VenuePosition]:
        """Return the open positions of contracts.

        Raises:
            TemporaryError: The venue did not answer.
        """
        return await self._account.positions()

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        """Return what moved money without a fill since a time, oldest first.

        Raises:
            TemporaryError: The venue did not answer.
        """
        return await self._account.cash_flows(since_ns)
