from typing import Any

import msgspec
import pytest

from core.model.credentials import (
    AccountFacts,
    AccountName,
    KeyPermissions,
    KeyTest,
    check_account_name,
    check_armable,
    key_tail,
    refuse_withdrawing,
)
from core.model.errors import ConfigError

GOOD = KeyPermissions(read=True, trade=True, withdraw=False, words=("trade",))
TEST = KeyTest(ts_ns=1, host="api.binance.com", own_host=True, permissions=GOOD)
FACTS = AccountFacts(
    account=AccountName("main"),
    venue="binance",
    environment="live",
    key_tail="…abcd",
    created_ns=1,
    kept_in="file",
    tested=TEST,
)


def _with(**changes: Any) -> AccountFacts:
    permissions = msgspec.structs.replace(
        GOOD, **{k: v for k, v in changes.items() if k in GOOD.__struct_fields__}
    )
    test = msgspec.structs.replace(
        TEST,
        permissions=permissions,
        **{k: v for k, v in changes.items() if k in TEST.__struct_fields__},
    )
    return msgspec.structs.replace(FACTS, tested=test)


def test_a_tested_key_that_trades_and_cannot_withdraw_is_let_through() -> None:
    check_armable(FACTS, now_ns=100)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (msgspec.structs.replace(FACTS, tested=None), "never tested.*clx keys test main"),
        (_with(withdraw=True), "can withdraw, so live trading is refused"),
        (_with(withdraw=None), "nobody knows"),
        (_with(trade=False), "cannot trade"),
        (_with(own_host=False), "tested at api.binance.com, which is not the venue's own host"),
        (_with(expires_ns=50), "has expired"),
    ],
)
def test_every_other_key_is_refused_for_live_with_its_reason(
    facts: AccountFacts, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        check_armable(facts, now_ns=100)


def test_what_the_owner_attests_counts_where_nobody_can_be_asked() -> None:
    check_armable(_with(attested=True, own_host=False, host=""), now_ns=100)


@pytest.mark.parametrize("environment", ["demo", "testnet", "paper"])
def test_play_money_needs_no_test(environment: Any) -> None:
    facts = msgspec.structs.replace(FACTS, environment=environment, tested=None)
    check_armable(facts, now_ns=100)


def test_a_withdrawing_key_is_refused_with_the_remedy() -> None:
    refuse_withdrawing("main", GOOD, "unused")
    bad = KeyPermissions(read=True, trade=True, withdraw=True, words=("trade", "withdraw"))
    with pytest.raises(ConfigError, match=r"key of main can withdraw .*trade, withdraw.*Untick it"):
        refuse_withdrawing("main", bad, "Untick it")


@pytest.mark.parametrize("name", ["binance-main", "a", "okx.demo_2", "0x"])
def test_names_of_accounts(name: str) -> None:
    assert check_account_name(name) == name


@pytest.mark.parametrize("name", ["", "Main", "-x", "a b", "a" * 49, "a/b", "a\n", "ü"])
def test_what_is_no_name_of_an_account(name: str) -> None:
    with pytest.raises(ConfigError, match="an account's name must be"):
        check_account_name(name)


def test_only_the_end_of_a_key_is_shown_and_nothing_of_a_short_one() -> None:
    assert key_tail("0123456789abcdef") == "…cdef"
    assert key_tail("fo7WAPRm4P") == "…"
