from typing import get_args

import pytest

from core.model.orders import OrderEvent, OrderFilled, OrderState
from core.trading.states import _HAPPENINGS, TABLE, Happening, Verdict, step

S, H = OrderState, Happening
ENDED = [state for state in S if state.terminal]
LIVE = [state for state in S if not state.terminal]


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("happening", H)
@pytest.mark.parametrize("has_fills", [True, False])
def test_every_event_in_every_state_leads_somewhere(
    state: OrderState, happening: Happening, has_fills: bool
) -> None:
    to, verdict = step(state, happening, has_fills=has_fills)
    assert isinstance(to, OrderState)
    if verdict is Verdict.STALE and not (has_fills and to is S.PARTIALLY_FILLED):
        assert to is state, "what is stale changes nothing"


def test_every_kind_of_event_has_a_name_in_the_table() -> None:
    assert {*_HAPPENINGS, OrderFilled} == set(get_args(OrderEvent))


def test_the_table_has_no_rows_or_columns_but_these() -> None:
    assert set(TABLE) == set(S)
    assert all(set(row) == set(H) for row in TABLE.values())


@pytest.mark.parametrize("state", S)
def test_a_fill_of_the_rest_always_ends_filled(state: OrderState) -> None:
    assert step(state, H.FILL_UP, has_fills=True).state is S.FILLED


@pytest.mark.parametrize("state", ENDED)
@pytest.mark.parametrize("happening", [H.CANCEL_ASK, H.UNKNOWN, H.CANCEL_REJECT])
def test_an_ended_order_is_not_reopened_by_silence_or_cancels(
    state: OrderState, happening: Happening
) -> None:
    assert step(state, happening, has_fills=False).state is state


@pytest.mark.parametrize("state", LIVE)
@pytest.mark.parametrize(("happening", "end"), [(H.CANCEL, S.CANCELED), (H.EXPIRE, S.EXPIRED)])
def test_a_live_order_can_always_be_ended_by_the_venue(
    state: OrderState, happening: Happening, end: OrderState
) -> None:
    assert step(state, happening, has_fills=False) == (end, Verdict.OK)


@pytest.mark.parametrize("state", [S.ACCEPTED, S.PARTIALLY_FILLED, S.PENDING_CANCEL])
def test_a_late_timeout_does_not_make_a_known_order_unknown(state: OrderState) -> None:
    assert step(state, H.UNKNOWN, has_fills=False) == (state, Verdict.STALE)


@pytest.mark.parametrize("state", [S.CANCELED, S.EXPIRED])
def test_a_partial_fill_after_the_end_is_late_and_does_not_reopen(state: OrderState) -> None:
    assert step(state, H.FILL, has_fills=True) == (state, Verdict.LATE)


def test_acceptance_and_refusal_contradict_in_either_order() -> None:
    for first, second in [(H.ACCEPT, H.REJECT), (H.REJECT, H.ACCEPT)]:
        middle = step(S.SUBMITTED, first, has_fills=False)
        assert step(middle.state, second, has_fills=False) == (S.UNKNOWN, Verdict.ODD)


def test_a_refused_order_that_filled_is_asked_about() -> None:
    assert step(S.REJECTED, H.FILL, has_fills=True) == (S.UNKNOWN, Verdict.ODD)
    assert step(S.PARTIALLY_FILLED, H.REJECT, has_fills=True) == (S.UNKNOWN, Verdict.ODD)
    assert step(S.UNKNOWN, H.REJECT, has_fills=True) == (S.UNKNOWN, Verdict.ODD)


@pytest.mark.parametrize("has_fills", [False, True])
def test_a_refused_cancel_leads_back_to_what_is_open(has_fills: bool) -> None:
    found = step(S.PENDING_CANCEL, H.CANCEL_REJECT, has_fills=has_fills)
    assert found == (S.PARTIALLY_FILLED if has_fills else S.ACCEPTED, Verdict.OK)
