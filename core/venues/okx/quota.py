"""How often OKX may be asked: by path and account, orders by instrument as well.

Batches are limited to 300 orders, which are 15 whole requests.
https://www.okx.com/docs-v5/en/#overview-rate-limits and each path's own "Rate Limit". It tells no
usage, so what other programs of the home ask with the same key is counted with ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.model.errors import RateLimited
from core.model.ports import Clock
from core.wire.budget import Budgets
from core.wire.limits import AttemptLimiter

_WINDOW_S: Final = 2.0
_PER_WINDOW: Final[Mapping[str, int]] = {
    "trade/order": 60,
    "trade/cancel-order": 60,
    "trade/cancel-batch-orders": 15,
    "trade/amend-order": 60,
    "trade/orders-pending": 60,
    "trade/fills": 60,
    "trade/fills-history": 10,
    "trade/order-algo": 20,
    "trade/cancel-algos": 20,
    "trade/amend-algos": 20,
    "trade/orders-algo-pending": 20,
    "trade/cancel-all-after": 2,
    "account/balance": 10,
    "account/positions": 10,
    "account/bills": 10,
    "public/time": 10,
}
_ELSE: Final = 5
"""Of paths that are not named: the least there is."""


class Quota:
    """Counts requests, lets them wait, or refuses what must not."""

    def __init__(self, name: str, *, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._counts: dict[str, AttemptLimiter] = {}
        self._budgets: Budgets | None = None
        self._account = ""

    def share(self, budgets: Budgets, account: str) -> None:
        """Count together with other programs of the home that trade the account."""
        self._budgets, self._account = budgets, account
        for what, count in self._counts.items():
            count.share(budgets, f"{account}-{what}")

    async def wait(self, method: str, path: str, symbol: str = "") -> None:
        """Count a request as soon as it may go."""
        await self._count(method, path, symbol).wait()

    def take(self, method: str, path: str, symbol: str = "") -> None:
        """Count a request that goes now.

        Raises:
            RateLimited: The venue would refuse it.
        """
        delay_s = self._count(method, path, symbol).take()
        if delay_s:
            words = f"{self._name}: as many {path} as the venue takes in {_WINDOW_S:g} s are spent"
            raise RateLimited("local-limit", words, delay_s)

    def _count(self, method: str, path: str, symbol: str) -> AttemptLimiter:
        what = f"{method}-{path}-{symbol}"
        count = self._counts.get(what)
        if count is None:
            count = self._counts[what] = AttemptLimiter(
                clock=self._clock, attempts=_PER_WINDOW.get(path, _ELSE), window_s=_WINDOW_S
            )
            if self._budgets is not None:
                count.share(self._budgets, f"{self._account}-{what}")
        return count
