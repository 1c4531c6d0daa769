"""Answers of status 200 that are errors, and those that only look like some."""

from __future__ import annotations

import pytest

from core.feeds.answers import judge_status
from core.model.errors import TemporaryError
from core.wire.http import HttpReply


def reply(body: bytes) -> HttpReply:
    return HttpReply(status=200, headers={}, body=body, url="http://a/bars")


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":50010000,"message":"internal server error occurred"}',
        b'{"code":-1000,"msg":"An unknown error occurred while processing the request."}',
        b' {"error":"INTERNAL","error_details":"","message":"internal"}',
        b'{"success":false,"error_response":{"error":"UNKNOWN","message":"internal"}}',
    ],
)
def test_an_error_with_status_200_is_told_in_its_own_words(body: bytes) -> None:
    with pytest.raises(
        TemporaryError, match=r"^bars of X: answered 200 with an error inside: '.*n"
    ):
        judge_status(reply(body), "bars of X")


@pytest.mark.parametrize(
    "body",
    [
        b'{"bars":{},"next_page_token":null}',
        b'{"code":"500000","msg":"its own list of codes tells more"}',
        b'{"error":["EGeneral:Temporary lockout"]}',
        b'{"error":[],"result":{}}',
        b'{"code":0,"message":"fine","data":[]}',
        b"{}",
        b"[]",
        b'{"code":1,"message":',
    ],
)
def test_other_answers_are_left_to_whoever_reads_them(body: bytes) -> None:
    judge_status(reply(body), "bars of X")


@pytest.mark.parametrize(
    ("status", "said"),
    [(418, "418 (this address is banned for now: ask less"), (429, "429 (too many requests: ask")],
)
def test_a_ban_and_a_limit_are_told_as_what_they_are(status: int, said: str) -> None:
    answer = HttpReply(status=status, headers={}, body=b"<html>", url="http://a/bars")
    with pytest.raises(TemporaryError) as caught:
        judge_status(answer, "bars of X")
    assert said in str(caught.value)
    assert str(caught.value).endswith("asks to come back later")
