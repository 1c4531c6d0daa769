import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from core.engine.clock import SimClock
from core.model.credentials import Credentials, KeyPermissions
from core.model.errors import ConfigError, DataError, TemporaryError, VenueError
from core.venues.permissions import bybit, coinbase, kraken, kucoin, okx
from core.venues.permissions.ask import QUESTIONS, ask_permissions, question_of, remedy_of

Make = Callable[..., Credentials]
NOW_MS = 1_763_719_200_123
CLOCK = SimClock(NOW_MS * 1_000_000)

BINANCE = {
    "ipRestrict": False,
    "createTime": 1698645219000,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "enableMargin": False,
    "enableFutures": False,
    "permitsUniversalTransfer": False,
    "enableSpotAndMarginTrading": True,
}
OKX: dict[str, Any] = {"code": "0", "msg": "", "data": [{"perm": "read_only,trade", "ip": ""}]}
DERIBIT = {"jsonrpc": "2.0", "result": {"scope": "account:read connection trade:read_write"}}
KUCOIN = {"code": "200000", "data": {"permission": "General,Spot", "ipWhitelist": "203.0.113.7"}}
COINBASE = {"can_view": True, "can_trade": True, "can_transfer": False, "portfolio_uuid": "u"}
KRAKEN: dict[str, Any] = {
    "error": [],
    "result": {
        "permissions": ["query-funds", "query-open-trades", "modify-trades", "close-trades"],
        "valid_until": "0",
        "ip_allowlist": [],
    },
}
BYBIT: dict[str, Any] = {
    "retCode": 0,
    "retMsg": "",
    "result": {
        "readOnly": 0,
        "permissions": {"Spot": ["SpotTrade"], "Wallet": ["AccountTransfer"], "Options": []},
        "ips": ["*"],
        "expiredAt": "2027-01-31T08:00:00Z",
    },
}
ALPACA = {
    "status": "ACTIVE",
    "trading_blocked": False,
    "account_blocked": False,
    "transfers_blocked": False,
}
PATHS = {
    "binance": "/sapi/v1/account/apiRestrictions",
    "binance_usdm": "/sapi/v1/account/apiRestrictions",
    "okx": "/api/v5/account/config",
    "deribit": "/api/v2/public/auth",
    "kucoin": "/api/v1/user/api-key",
    "coinbase": "/api/v3/brokerage/key_permissions",
    "kraken": "/0/private/GetApiKeyInfo",
    "bybit": "/v5/user/query-api",
    "alpaca": "/v2/account",
}
GOOD: dict[str, dict[str, Any]] = {
    "binance": BINANCE,
    "binance_usdm": BINANCE | {"enableFutures": True},
    "okx": OKX,
    "deribit": DERIBIT,
    "kucoin": KUCOIN,
    "coinbase": COINBASE,
    "kraken": KRAKEN,
    "bybit": BYBIT,
    "alpaca": ALPACA,
}
WITHDRAWING: dict[str, dict[str, Any]] = {
    "binance": BINANCE | {"enableWithdrawals": True},
    "binance_usdm": BINANCE | {"enableWithdrawals": True},
    "okx": OKX | {"data": [{"perm": "read_only,withdraw,trade"}]},
    "deribit": {"result": {"scope": "trade:read_write wallet:read_write"}},
    "kucoin": {"code": "200000", "data": {"permission": "General,Spot,InnerTransfer,Transfer"}},
    "coinbase": COINBASE | {"can_transfer": True},
    "kraken": {"error": [], "result": {"permissions": ["query-funds", "withdraw-funds"]}},
    "bybit": {
        "retCode": 0,
        "result": {"readOnly": 0, "permissions": {"Wallet": ["AccountTransfer", "Withdraw"]}},
    },
}
REFUSALS: dict[str, tuple[int, Any, str]] = {
    "binance": (401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions."}, "-2015"),
    "okx": (401, {"code": "50113", "msg": "Invalid Sign"}, "50113"),
    "deribit": (400, {"error": {"code": 13004, "message": "invalid_credentials"}}, "13004"),
    "kucoin": (200, {"code": "400003", "msg": "KC-API-KEY not exists"}, "400003"),
    "coinbase": (401, "Unauthorized", "401"),
    "kraken": (200, {"error": ["EAPI:Invalid key"]}, "EAPI"),
    "bybit": (200, {"retCode": 10003, "retMsg": "API key is invalid."}, "10003"),
    "alpaca": (403, {"message": "forbidden."}, "403"),
}


def _credentials(account: Make, venue: str) -> Credentials:
    return account(venue, api_secret=_pem()) if venue == "coinbase" else account(venue)


def _pem() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        .decode()
    )


async def _ask(host: Any, credentials: Credentials) -> KeyPermissions:
    test = await ask_permissions(credentials, clock=CLOCK, rest_url=host.url)
    assert test.ts_ns == CLOCK.now_ns()
    assert not test.own_host
    assert test.host == host.url.partition("://")[2]
    return test.permissions


@pytest.mark.parametrize("venue", sorted(QUESTIONS))
async def test_a_key_that_reads_and_trades_passes(host: Any, account: Make, venue: str) -> None:
    host.answers[PATHS[venue]] = (200, GOOD[venue])
    may = await _ask(host, _credentials(account, venue))
    assert (may.read, may.trade, may.withdraw) == (True, True, False)
    assert may.words


@pytest.mark.parametrize("venue", sorted(WITHDRAWING))
async def test_a_key_that_can_withdraw_is_found_out(host: Any, account: Make, venue: str) -> None:
    host.answers[PATHS[venue]] = (200, WITHDRAWING[venue])
    assert (await _ask(host, _credentials(account, venue))).withdraw is True


@pytest.mark.parametrize("venue", sorted(REFUSALS))
async def test_a_refused_key_is_told_in_the_venues_words(
    host: Any, account: Make, venue: str
) -> None:
    status, answer, code = REFUSALS[venue]
    host.answers[PATHS[venue]] = (status, answer)
    credentials = _credentials(account, venue)
    with pytest.raises(VenueError) as refused:
        await _ask(host, credentials)
    assert refused.value.code == code
    assert credentials.api_secret not in str(refused.value)


@pytest.mark.parametrize("venue", sorted(QUESTIONS))
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_venue_that_is_away_says_nothing_of_the_key(
    host: Any, account: Make, venue: str, status: int
) -> None:
    host.answers[PATHS[venue]] = (status, "<html>busy</html>")
    with pytest.raises(TemporaryError, match=rf"status {status}"):
        await _ask(host, _credentials(account, venue))


@pytest.mark.parametrize("venue", sorted(QUESTIONS))
async def test_a_page_in_place_of_an_answer_says_nothing(
    host: Any, account: Make, venue: str
) -> None:
    host.answers[PATHS[venue]] = (200, "<html>maintenance</html>")
    with pytest.raises(TemporaryError, match="no JSON in the answer"):
        await _ask(host, _credentials(account, venue))


@pytest.mark.parametrize(
    ("venue", "answer"),
    [
        ("binance", {k: v for k, v in BINANCE.items() if k != "enableWithdrawals"}),
        ("okx", {"code": "0", "data": []}),
        ("okx", {"code": "0", "data": [{"perm": ""}]}),
        ("deribit", {"result": {}}),
        ("kucoin", {"code": "200000", "data": {}}),
        ("coinbase", {"can_view": True, "can_trade": True}),
        ("kraken", {"error": [], "result": {}}),
        ("bybit", {"retCode": 0, "result": {"readOnly": 0}}),
        ("alpaca", {"status": "ACTIVE"}),
    ],
)
async def test_an_answer_that_leaves_the_permission_out_is_never_taken_for_a_no(
    host: Any, account: Make, venue: str, answer: Any
) -> None:
    host.answers[PATHS[venue]] = (200, answer)
    with pytest.raises(DataError):
        await _ask(host, _credentials(account, venue))


async def test_a_refused_connection_is_temporary(account: Make) -> None:
    with pytest.raises(TemporaryError, match="not sent"):
        await ask_permissions(account("okx"), clock=CLOCK, rest_url="http://127.0.0.1:1")


async def test_play_money_at_binance_is_asked_by_its_account(host: Any, account: Make) -> None:
    host.answers["/api/v3/account"] = (200, {"canTrade": True, "canWithdraw": True})
    may = await _ask(host, account("binance", environment="testnet"))
    assert (may.trade, may.withdraw, may.note) == (True, False, "play money: nothing to withdraw")


async def test_transfers_and_addresses_and_ends_are_told(host: Any, account: Make) -> None:
    host.answers[PATHS["binance"]] = (200, BINANCE | {"permitsUniversalTransfer": True})
    may = await _ask(host, account("binance"))
    assert (may.transfer, may.ip_bound) == (True, False)
    host.answers[PATHS["bybit"]] = (200, BYBIT)
    may = await _ask(host, account("bybit"))
    assert (may.transfer, may.ip_bound) == (True, False)
    assert may.expires_ns == 1_801_382_400 * 10**9
    host.answers[PATHS["kucoin"]] = (200, KUCOIN)
    assert (await _ask(host, account("kucoin"))).ip_bound is True


async def test_a_read_only_key_cannot_trade(host: Any, account: Make) -> None:
    host.answers[PATHS["bybit"]] = (200, BYBIT | {"result": BYBIT["result"] | {"readOnly": 1}})
    assert not (await _ask(host, account("bybit"))).trade
    host.answers[PATHS["okx"]] = (200, OKX | {"data": [{"perm": "read_only"}]})
    assert not (await _ask(host, account("okx"))).trade


async def test_alpaca_is_judged_by_its_whitelist_of_addresses(host: Any, account: Make) -> None:
    host.answers["/v2/account"] = (200, ALPACA)
    host.answers["/v2/wallets/whitelists"] = (200, [{"status": "APPROVED"}, {"status": "PENDING"}])
    may = await _ask(host, account("alpaca"))
    assert may.withdraw is True
    assert "1 approved withdrawal addresses" in may.words
    host.answers["/v2/wallets/whitelists"] = (200, [{"status": "PENDING"}])
    assert (await _ask(host, account("alpaca"))).withdraw is False
    host.answers["/v2/account"] = (200, ALPACA | {"transfers_blocked": True})
    host.answers["/v2/wallets/whitelists"] = (200, [{"status": "APPROVED"}])
    assert (await _ask(host, account("alpaca"))).withdraw is False
    host.answers["/v2/account"] = (200, ALPACA | {"status": "ONBOARDING"})
    assert not (await _ask(host, account("alpaca"))).trade


async def test_the_secret_is_never_sent_where_a_signature_does(host: Any, account: Make) -> None:
    for venue in sorted(set(QUESTIONS) - {"alpaca"}):
        host.answers[PATHS[venue]] = (200, GOOD[venue])
        credentials = _credentials(account, venue)
        await _ask(host, credentials)
        sent = f"{host.asked[-1].raw_path} {dict(host.asked[-1].headers)} {host.bodies[-1]!r}"
        assert credentials.api_secret not in sent
        if venue == "kucoin":
            assert credentials.passphrase not in sent


def test_okx_signs_as_its_own_client_does(account: Make) -> None:
    from okx.utils import pre_hash, sign

    head = okx.headers(account("okx"), NOW_MS, "GET", "/api/v5/account/config")
    stamp = head["OK-ACCESS-TIMESTAMP"]
    assert stamp == "2025-11-21T10:00:00.123Z"
    text = pre_hash(stamp, "GET", "/api/v5/account/config", "", False)
    wanted = sign(text, account("okx").api_secret)
    assert head["OK-ACCESS-SIGN"] == wanted.decode()
    assert "x-simulated-trading" not in head
    demo = okx.headers(account("okx", environment="demo"), NOW_MS, "GET", "/")
    assert demo["x-simulated-trading"] == "1"


def test_kraken_signs_the_example_of_its_documentation(account: Make) -> None:
    secret = (
        "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    )
    body = "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    head = kraken.headers(
        account("kraken", api_secret=secret), "1616492376594", "/0/private/AddOrder", body
    )
    assert head["API-Sign"] == (
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    )


def test_a_kraken_secret_that_is_not_base64_is_told_without_it(account: Make) -> None:
    with pytest.raises(ConfigError, match="must be base64") as refused:
        kraken.headers(account("kraken", api_secret="not base64!"), "1", "/", "nonce=1")
    assert "not base64!" not in str(refused.value)


def test_kucoin_and_bybit_sign_as_ccxt_does(account: Make, monkeypatch: Any) -> None:
    import ccxt

    keys = account("kucoin")
    theirs = ccxt.kucoin(
        {"apiKey": keys.api_key, "secret": keys.api_secret, "password": keys.passphrase}
    )
    monkeypatch.setattr(theirs, "milliseconds", lambda: NOW_MS)
    signed = theirs.sign("user/api-key", ["private"], "GET")["headers"]
    ours = kucoin.headers(keys, NOW_MS, "GET", "/api/v1/user/api-key")
    for name in ("KC-API-KEY", "KC-API-SIGN", "KC-API-TIMESTAMP", "KC-API-PASSPHRASE"):
        assert ours[name] == signed[name]
    keys = account("bybit")
    other = ccxt.bybit({"apiKey": keys.api_key, "secret": keys.api_secret})
    other.options["recvWindow"] = 30_000
    monkeypatch.setattr(other, "nonce", lambda: NOW_MS)
    signed = other.sign("v5/user/query-api", ["private"], "GET")["headers"]
    assert bybit.headers(keys, NOW_MS, "")["X-BAPI-SIGN"] == signed["X-BAPI-SIGN"]


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    head, claims, signature = token.split(".")

    def plain(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    text = f"{head}.{claims}".encode()
    return json.loads(plain(head)), json.loads(plain(claims)), plain(signature), text


def test_coinbase_tokens_are_of_one_request_and_verify(account: Make) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    secret = _pem()
    for written in (secret, secret.replace("\n", "\\n")):
        made = coinbase.token(
            account("coinbase", api_secret=written), 1_000, "GET", "api.coinbase.com", "/x"
        )
        head, claims, signature, text = _parts(made)
        assert head["alg"] == "ES256"
        assert head["kid"] == claims["sub"] == "the-key-00000001"
        assert claims["uri"] == "GET api.coinbase.com/x"
        assert (claims["iss"], claims["nbf"], claims["exp"]) == ("cdp", 1_000, 1_120)
        key = load_pem_private_key(secret.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        r, s = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
        key.public_key().verify(encode_dss_signature(r, s), text, ec.ECDSA(SHA256()))


def test_coinbase_takes_ed25519_keys_too(account: Make) -> None:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    both = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    keys = account("coinbase", api_secret=base64.b64encode(both).decode())
    head, _, signature, text = _parts(coinbase.token(keys, 1_000, "GET", "h", "/x"))
    assert head["alg"] == "EdDSA"
    key.public_key().verify(signature, text)


@pytest.mark.parametrize("secret", ["rubbish!", "c2hvcnQ=", "-----BEGIN EC PRIVATE KEY-----\nx"])
def test_a_coinbase_secret_that_is_no_key_is_told_without_it(account: Make, secret: str) -> None:
    with pytest.raises(ConfigError, match="must be a private key") as refused:
        coinbase.token(account("coinbase", api_secret=secret), 1, "GET", "h", "/")
    assert secret not in str(refused.value)


async def test_keys_with_a_passphrase_need_it(host: Any, account: Make) -> None:
    for venue in ("okx", "kucoin"):
        assert QUESTIONS[venue].passphrase
        with pytest.raises(ConfigError, match="have a passphrase, main has none"):
            await _ask(host, account(venue, passphrase=""))


async def test_a_venue_that_cannot_be_asked_names_the_way_out(account: Make) -> None:
    with pytest.raises(ConfigError, match="clx keys test main --attest"):
        await ask_permissions(account("ccxt:bitmex"), clock=CLOCK)


async def test_an_environment_the_venue_has_not_is_refused(account: Make) -> None:
    with pytest.raises(ConfigError, match="kraken has no environment 'demo'; known: live"):
        await ask_permissions(account("kraken", environment="demo"), clock=CLOCK)


def test_kinds_are_known_by_ccxts_names_too() -> None:
    assert question_of("ccxt:kraken") is QUESTIONS["kraken"]
    assert question_of("ccxt:binanceusdm") is QUESTIONS["binance_usdm"]
    assert question_of("ccxt:bitmex") is None
    with pytest.raises(ConfigError, match="no kind of venue 'binanse'; did you mean 'binance'"):
        question_of("binanse")


@pytest.mark.parametrize("venue", [*sorted(QUESTIONS), "ccxt:bitmex"])
def test_every_venue_says_how_to_make_a_better_key(venue: str) -> None:
    assert remedy_of(venue).endswith(".")
    assert all(
        url.startswith("https://")
        for question in QUESTIONS.values()
        for urls in question.hosts.values()
        for url in urls
    )


@pytest.mark.parametrize(
    ("most", "reduces", "wanted"),
    [
        ("account:read trade:read_write wallet:read", True, (True, True, False)),
        ("account:read trade:read_write wallet:read", False, (True, True, False)),
        ("account:read trade:read_write wallet:read_write", True, (True, True, True)),
        ("account:read trade:read_write wallet:read_write", False, (True, True, True)),
        ("account:read", False, (True, False, False)),
    ],
)
async def test_deribit_is_asked_for_each_scope_where_it_names_none_unasked(
    host: Any, account: Make, most: str, reduces: bool, wanted: tuple[bool, bool, bool]
) -> None:
    """Whether the venue grants less than was asked for or refuses, the answer is the same."""

    def login(request: Any) -> dict[str, Any]:
        scope = request.query.get("scope", "")
        name, _, level = scope.partition(":")
        has = dict(word.split(":") for word in most.split()).get(name, "none")
        if scope and not reduces and level == "read_write" != has:
            told = {"code": 13010, "message": "value_required", "data": {"reason": "scope"}}
            return {"error": told}
        given = f" {name}:{has}" if scope else ""
        return {"result": {"scope": f"connection mainaccount session:x{given}"}}

    host.answers[PATHS["deribit"]] = (200, login)
    may = await _ask(host, account("deribit"))
    assert (may.read, may.trade, may.withdraw) == wanted


async def test_another_refusal_of_deribit_is_not_taken_for_a_no(host: Any, account: Make) -> None:
    def login(request: Any) -> dict[str, Any]:
        if "scope" in request.query:
            return {"error": {"code": 10040, "message": "retry"}}
        return {"result": {"scope": "connection mainaccount"}}

    host.answers[PATHS["deribit"]] = (200, login)
    with pytest.raises(VenueError, match="retry"):
        await _ask(host, account("deribit"))
