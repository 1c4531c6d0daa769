from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from decimal import Decimal

import pytest


def straightforward(asks: list[tuple[str, str]], bids: list[tuple[str, str]]) -> int:
    """The venue's own words, step by step, over texts."""
    whole = ""
    for price, size in asks[:10] + bids[:10]:
        whole += price.replace(".", "").lstrip("0") + size.replace(".", "").lstrip("0")
    return zlib.crc32(whole.encode())


class Wire:
    """A venue's book whose messages are made as texts, apart from all that is tested."""

    def __init__(self, seed: int, depth: int) -> None:
        self.rng = random.Random(seed)
        self.depth = depth
        self.sides: dict[str, dict[int, str]] = {"bids": {}, "asks": {}}
        for step in range(3 * depth):
            self.sides["bids"][500_000 - step] = self.size()
            self.sides["asks"][500_001 + step] = self.size()

    def size(self) -> str:
        return f"{Decimal(self.rng.randrange(1, 10**10)).scaleb(-8):.8f}"

    def seen(self, side: str) -> list[tuple[str, str]]:
        """The best levels as texts, best first."""
        book = self.sides[side]
        best = sorted(book, reverse=side == "bids")[: self.depth]
        return [(self.price(tick), book[tick]) for tick in best]

    @staticmethod
    def price(tick: int) -> str:
        return f"{Decimal(tick).scaleb(-1):.1f}"

    def frame(self, kind: str, changed: dict[str, list[tuple[str, str]]]) -> bytes:
        sides = ",".join(
            f'"{side}":[{",".join(f"""{{"price":{p},"qty":{s}}}""" for p, s in rows)}]'
            for side, rows in changed.items()
        )
        checksum = straightforward(self.seen("asks"), self.seen("bids"))
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD",{sides},'
            f'"checksum":{checksum},"timestamp":"2026-10-06T17:35:55.440295Z"}}]}}'
        ).encode()

    def image(self) -> bytes:
        return self.frame("snapshot", {side: self.seen(side) for side in ("bids", "asks")})

    def change(self) -> bytes:
        """Add, change or remove; levels that come into sight are sent, those that leave are not."""
        before = {side: dict(self.seen(side)) for side in self.sides}
        side = self.rng.choice(["bids", "asks"])
        book = self.sides[side]
        best = sorted(book, reverse=side == "bids")
        pick = self.rng.random()
        away = -1 if side == "bids" else 1
        if pick < 0.35 and len(book) > 2 * self.depth:
            del book[self.rng.choice(best[: self.depth])]
        elif pick < 0.6:
            book[self.rng.choice(best[: self.depth])] = self.size()
        else:
            gap = min(self.sides["asks"]) - max(self.sides["bids"])
            inside = best[0] - away if gap > 1 and self.rng.random() < 0.3 else best[0]
            book[inside + away * self.rng.randrange(0, self.depth)] = self.size()
        changed: dict[str, list[tuple[str, str]]] = {"bids": [], "asks": []}
        for name in self.sides:
            after = dict(self.seen(name))
            gone = [
                p for p in before[name] if p not in after and self.tick(p) not in self.sides[name]
            ]
            changed[name] = [(p, "0.00000000") for p in gone]
            changed[name] += [(p, s) for p, s in after.items() if before[name].get(p) != s]
        return self.frame("update", changed)

    @staticmethod
    def tick(price: str) -> int:
        return int(Decimal(price) * 10)


@pytest.fixture(scope="session")
def wire_of() -> type[Wire]:
    return Wire


@pytest.fixture(scope="session")
def checksum_of() -> Callable[[list[tuple[str, str]], list[tuple[str, str]]], int]:
    return straightforward
