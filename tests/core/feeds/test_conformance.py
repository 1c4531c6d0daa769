"""Every native feed passes the conformance suite on its recorded capture."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.backtest.replay import unlisted
from core.engine.clock import SystemClock
from core.feeds.conformance.checks import CHECKS, Check, judge
from core.feeds.conformance.subject import Subject
from core.feeds.registry import make_decoder, make_dialect
from core.model.ids import VenueName
from core.model.settings import FeedSettings

CAPTURES = {
    "binance": "binance_spot/capture_mixed_20211012",
    "binance_usdm": "binance_usdm/capture_mixed_20210722",
    "bybit": "bybit_v5/capture_linear_20260809",
    "coinbase": "coinbase_advanced/capture_btc_eth_20260809_first_half",
    "coinbase_exchange": "coinbase_exchange/capture_level2_20210417_a",
    "deribit": "deribit/capture_options_20210722",
    "kucoin": "kucoin/capture_level2_20210425_a",
    "okx": "okx/capture_books_20220513",
}
SECRET = SecretStr("conformance-secret")
_subjects: dict[str, Subject] = {}


def decoder(kind: str) -> Any:
    made = make_decoder(kind)
    made.unlisted = lambda symbol: unlisted(symbol, made.venue)
    return made


@pytest.fixture
def subject(request: pytest.FixtureRequest, recorded: Path) -> Subject:
    kind = request.param
    if kind not in _subjects:
        settings = FeedSettings(api_key=SECRET, api_secret=SECRET, passphrase=SECRET)
        _subjects[kind] = Subject(
            functools.partial(decoder, kind),
            recorded / f"{CAPTURES[kind]}.jsonl.zst",
            functools.partial(
                make_dialect, VenueName(kind), settings, clock=SystemClock(), data=Path("/nowhere")
            ),
        )
    return _subjects[kind]


@pytest.mark.parametrize("subject", CAPTURES, indirect=True)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_feed_conforms(check: Check, subject: Subject) -> None:
    assert judge(check, subject) == []
