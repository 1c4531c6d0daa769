"""What the steps of an order are told as, also of one that stands in another's place."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from core.engine.clock import SystemClock
from core.model.facts import VenueEvent
from core.model.ids import ClientOrderId, VenueName
from core.model.orders import OrderCanceled
from core.venues.alpaca.answers import Answers
from core.venues.alpaca.messages import OrderRow, Update
from core.venues.alpaca.names import Names
from core.venues.symbols import Symbols
from core.venues.teller import Teller

MINE = ClientOrderId("clxt-01kv3c9q2m-0000000a")
NAME = VenueName("alpaca")


def update(event: str, order_id: str, filled: str, **fields: Any) -> Update:
    row = OrderRow(
        id=order_id, client_order_id=MINE, symbol="AAPL", side="buy", type="limit",
        status=event, filled=Decimal(filled), **fields,
    )  # fmt: skip
    return Update(event=event, order=row, timestamp="2026-09-18T13:24:50Z")


def ended(*updates: Update) -> Decimal | None:
    events: list[VenueEvent] = []
    answers = Answers(
        Teller(NAME, clock=SystemClock(), sink=events.append),
        symbols=Symbols(NAME),
        names=Names(),
    )
    for each in updates:
        answers.update(each)
    (event,) = [event for event in events if isinstance(event, OrderCanceled)]
    return event.filled


def test_a_cancel_says_what_was_filled_in_all() -> None:
    assert ended(update("canceled", "a", "3")) == 3


def test_what_the_orders_before_it_filled_counts_too() -> None:
    assert (
        ended(
            update("replaced", "a", "3", replaced_by="b"),
            update("replaced", "b", "1", replaces="a", replaced_by="c"),
            update("canceled", "c", "2", replaces="b"),
        )
        == 6
    )


def test_what_was_filled_before_an_unseen_replacement_is_not_guessed() -> None:
    assert ended(update("canceled", "b", "2", replaces="a")) is None
