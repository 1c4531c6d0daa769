"""Request weight per address and order counts per account, as the venue counts them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from emulator.binance.gate.errors import ApiError

WEIGHT_PER_MINUTE: Final = 6_000
ORDERS_PER_10S: Final = 100
ORDERS_PER_DAY: Final = 200_000
CONNECTIONS_PER_5M: Final = 300
_MINUTE_MS: Final = 60_000
_TEN_SECONDS_MS: Final = 10_000
_DAY_MS: Final = 86_400_000
_FIVE_MINUTES_MS: Final = 300_000
_UNLIMITED: Final = 1_000_000
"""A weight limit above this lifts the limits of orders too."""
_WARNINGS: Final = 20
"""Requests refused with 429 in one minute before the address is banned."""
_BAN_MS: Final = 120_000


class _Address:
    __slots__ = ("banned_until", "minute", "refused", "used")

    def __init__(self) -> None:
        self.minute = 0
        self.used = 0
        self.refused = 0
        self.banned_until = 0


class Limiter:
    """Counts and refuses; time comes from outside, in ms."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.weight_limit = WEIGHT_PER_MINUTE
        self._addresses: dict[str, _Address] = {}
        self._orders: dict[int, deque[int]] = {}
        self._attempts: dict[str, deque[int]] = {}

    def charge(self, address: str, weight: int) -> None:
        """Count a request's weight.

        Raises:
            ApiError: 429 above the limit; 418 for an address that goes on all the same.
        """
        now = self._now_ms()
        state = self._state(address, now)
        if now < state.banned_until:
            raise self._banned(state.banned_until, now)
        state.used += weight
        if state.used <= self.weight_limit:
            return
        state.refused += 1
        if state.refused > _WARNINGS:
            state.banned_until = now + _BAN_MS
            raise self._banned(state.banned_until, now)
        wait_s = (_MINUTE_MS - now % _MINUTE_MS) // 1_000 + 1
        raise ApiError(
            -1003,
            f"Too much request weight used; current limit is {self.weight_limit} request weight "
            "per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.",
            429,
            {"Retry-After": str(wait_s)},
        )

    def forgive(self, address: str, weight: int) -> None:
        """Give weight back: a successful order weighs nothing."""
        state = self._state(address, self._now_ms())
        state.used = max(0, state.used - weight)

    def used(self, address: str) -> int:
        """Return the weight an address used in this minute."""
        return self._state(address, self._now_ms()).used

    def count_order(self, owner: int, number: int = 1) -> None:
        """Count new orders; a list counts as many as it has.

        Raises:
            ApiError: -1015 with 429 above a limit.
        """
        now = self._now_ms()
        in_10s, in_day = self.orders(owner)
        limits = (
            (in_10s, ORDERS_PER_10S, "10 SECONDS", _TEN_SECONDS_MS - now % _TEN_SECONDS_MS),
            (in_day, ORDERS_PER_DAY, "1 DAY", _DAY_MS - now % _DAY_MS),
        )
        for count, limit, name, left_ms in limits if self.weight_limit <= _UNLIMITED else ():
            if count + number > limit:
                raise ApiError(
                    -1015,
                    f"Too many new orders; current limit is {limit} orders per {name}.",
                    429,
                    {"Retry-After": str(left_ms // 1_000 + 1)},
                )
        self._orders.setdefault(owner, deque()).extend([now] * number)

    def forgive_order(self, owner: int) -> None:
        """Give an order back: the limits count those that never traded."""
        counted = self._orders.get(owner)
        if counted:
            counted.pop()

    def order_limits(self, owner: int) -> list[dict[str, object]]:
        """Return what an account has used of its limits, as the venue tells it."""
        in_10s, in_day = self.orders(owner)
        return [
            {
                "rateLimitType": "ORDERS",
                "interval": interval,
                "intervalNum": number,
                "limit": limit,
                "count": count,
            }
            for interval, number, limit, count in (
                ("SECOND", 10, ORDERS_PER_10S, in_10s),
                ("DAY", 1, ORDERS_PER_DAY, in_day),
            )
        ]

    def orders(self, owner: int) -> tuple[int, int]:
        """Return how many orders were placed in this 10 s and this day."""
        now = self._now_ms()
        placed = self._orders.setdefault(owner, deque())
        day = now // _DAY_MS * _DAY_MS
        while placed and placed[0] < day:
            placed.popleft()
        ten = now // _TEN_SECONDS_MS * _TEN_SECONDS_MS
        recent = 0
        for at in reversed(placed):
            if at < ten:
                break
            recent += 1
        return recent, len(placed)

    def count_connection(self, address: str) -> None:
        """Count an attempt to open a stream connection.

        Raises:
            ApiError: 429 for more than the venue allows in five minutes.
        """
        now = self._now_ms()
        attempts = self._attempts.setdefault(address, deque())
        while attempts and attempts[0] <= now - _FIVE_MINUTES_MS:
            attempts.popleft()
        if len(attempts) >= CONNECTIONS_PER_5M:
            raise ApiError(-1003, "Too many connection attempts.", 429, {"Retry-After": "300"})
        attempts.append(now)

    def ban(self, address: str, for_ms: int) -> None:
        """Ban an address for a while."""
        now = self._now_ms()
        self._state(address, now).banned_until = now + for_ms

    def _state(self, address: str, now: int) -> _Address:
        state = self._addresses.setdefault(address, _Address())
        minute = now // _MINUTE_MS
        if state.minute != minute:
            state.minute, state.used, state.refused = minute, 0, 0
        return state

    def _banned(self, until: int, now: int) -> ApiError:
        return ApiError(
            -1003,
            f"Way too much request weight used; IP banned until {until}. "
            "Please use WebSocket Streams for live updates to avoid bans.",
            418,
            {"Retry-After": str((until - now) // 1_000 + 1)},
        )
