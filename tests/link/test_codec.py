from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import errors
from core.model.errors import ClxError, ConfigError, DataError, RateLimited, VenueError
from core.model.redaction import Redactor
from core.model.views import Alert, AlertRaised
from link.codec import (
    Call,
    Codec,
    FactSent,
    Failed,
    Fault,
    Hello,
    Splitter,
    error_of,
    fault_of,
)


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


@given(st.lists(st.binary(max_size=300)), st.integers(1, 50))
def test_messages_survive_any_fragmentation(bodies: list[bytes], step: int) -> None:
    stream = b"".join(frame(body) for body in bodies)
    splitter = Splitter(300)
    seen = [
        body
        for start in range(0, len(stream), step)
        for body in splitter.feed(stream[start : start + step])
    ]
    assert seen == bodies
    assert splitter.pending == 0


def test_oversized_length_is_refused_before_the_bytes_arrive() -> None:
    splitter = Splitter(1000)
    with pytest.raises(DataError, match="at most 1000 bytes, was 1001"):
        list(splitter.feed((1001).to_bytes(4, "big")))


def test_truncated_message_is_held_back() -> None:
    splitter = Splitter(1000)
    assert list(splitter.feed(frame(b"whole") + frame(b"half")[:6])) == [b"whole"]
    assert splitter.pending == 6


@given(st.binary(max_size=200))
def test_random_bytes_never_do_more_than_data_error(body: bytes) -> None:
    codec = Codec()
    for decode in (codec.client_message, codec.engine_message):
        with contextlib.suppress(DataError):
            decode(body)


def test_message_round_trip_keeps_types() -> None:
    codec = Codec()
    call = Call(id=7, name="get_orders", args={"all": True})
    assert codec.client_message(codec.pack(call)[4:]) == call
    fact = FactSent(
        seq=9, fact=AlertRaised(alert=Alert(ts_ns=1, level="info", source="x", text="y"))
    )
    assert codec.engine_message(codec.pack(fact)[4:]) == fact


def test_wrong_field_type_names_the_field() -> None:
    body = msgspec.msgpack.encode({"type": "hello", "protocol": "one", "origin": "tui"})
    with pytest.raises(DataError, match=r"Expected `int`, got `str` - at `\$.protocol`"):
        Codec().client_message(body)


def test_later_fields_of_a_newer_hello_are_ignored() -> None:
    body = msgspec.msgpack.encode({"type": "hello", "protocol": 99, "origin": "tui", "new": 1})
    assert Codec().client_message(body) == Hello(protocol=99, origin="tui")


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("risk.max must be > 0, was -5"),
        VenueError("-2010", "Account has insufficient balance."),
        RateLimited("-1003", "Too many requests.", 1.5),
        errors.OutcomeUnknown("no answer"),
    ],
)
def test_error_comes_back_as_the_same_class_with_the_same_words(error: ClxError) -> None:
    again = error_of(fault_of(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_an_error_of_a_modules_own_class_is_told_as_what_it_is() -> None:
    class _Unsettled(errors.TemporaryError):
        pass

    again = error_of(fault_of(_Unsettled("orders are being settled")))
    assert type(again) is errors.TemporaryError
    assert str(again) == "orders are being settled"


def test_unknown_error_class_becomes_a_plain_one() -> None:
    again = error_of(Fault(kind="SystemExit", args=["1"]))
    assert type(again) is ClxError
    assert str(again) == "SystemExit: 1"


def test_an_engines_side_takes_known_secrets_out_of_every_message() -> None:
    redactor = Redactor()
    redactor.learn("planted-secret-0001")
    fault = Fault(kind="VenueError", args=["-1", "your key planted-secret-0001 is odd"])
    codec = Codec(redactor)
    (body,) = Splitter(1000).feed(codec.pack(Failed(id=1, fault=fault)))
    told = codec.engine_message(body)
    assert isinstance(told, Failed)
    assert told.fault.args[1] == f"your key {'*' * 19} is odd"
