import json
from urllib.parse import quote, quote_plus

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from core.model.redaction import SHORTEST, Redactor

SECRET = 'aB3/x+9=="q\\u-0123456789zz'
PEM = (
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIBKdZ0pYg5Zz7l0a1b2c3d4e5f6g7h8i9j0kAoGCCqGSM49AwEHoUQD\n"
    "QgAE1a2b3c4d5e6f7g8h9i0jKLMNOPQRSTUVWXYZabcdefghij==\n"
    "-----END EC PRIVATE KEY-----\n"
)


def _knowing(*secrets: str) -> Redactor:
    redactor = Redactor()
    redactor.learn(*secrets)
    return redactor


def test_a_secret_is_taken_out_in_every_form_it_is_written() -> None:
    redactor = _knowing(SECRET)
    for form in (SECRET, json.dumps(SECRET), repr(SECRET), quote(SECRET, safe=""), quote(SECRET)):
        shown = redactor.text(f"before {form} after")
        assert shown.startswith("before ")
        assert shown.endswith(" after")
        assert "***" in shown
        assert "0123456789zz" not in shown


def test_base64_of_a_secret_is_taken_out() -> None:
    import base64

    form = base64.b64encode(SECRET.encode()).decode()
    assert form not in _knowing(SECRET).text(f"Authorization: {form}")


def test_a_key_of_several_lines_is_found_by_each_line_and_on_one_line() -> None:
    redactor = _knowing(PEM)
    body = PEM.splitlines()[1]
    for text in (PEM, body, json.dumps({"key": PEM}), PEM.replace("\n", "\\n")):
        assert body not in redactor.text(text)
    assert redactor.text("-----BEGIN EC PRIVATE KEY-----") == "-----BEGIN EC PRIVATE KEY-----"


def test_a_secret_inside_another_leaves_no_remainder() -> None:
    redactor = _knowing("secret-00000001", "secret-00000001-and-more-2")
    assert redactor.text("x secret-00000001-and-more-2 y") == "x *** y"


def test_too_short_to_be_a_secret_is_left_alone() -> None:
    assert _knowing("", "a", "x" * (SHORTEST - 1)).text("a banana xxxxx") == "a banana xxxxx"


def test_data_keeps_its_length_so_that_it_stays_readable() -> None:
    redactor = _knowing(SECRET)
    packed = msgspec.msgpack.encode({"note": f"venue said {SECRET}!", "n": 7})
    clean = redactor.data(packed)
    assert len(clean) == len(packed)
    told = msgspec.msgpack.decode(clean)
    assert told["n"] == 7
    assert SECRET not in told["note"]
    assert told["note"].startswith("venue said *")


def test_a_passphrase_that_is_also_a_word_does_not_change_data() -> None:
    redactor = _knowing("BTC-USDT.binance", "limit-maker")
    record = b'{"instrument":"BTC-USDT.binance","type":"limit-maker"}'
    assert redactor.data(record) == record
    assert redactor.text("my phrase is limit-maker") == "my phrase is ***"


def test_knowing_nothing_changes_nothing() -> None:
    assert Redactor().text("plain") == "plain"
    assert Redactor().data(b"plain") == b"plain"


def test_a_redactor_shows_no_secret_when_printed() -> None:
    assert SECRET not in repr(_knowing(SECRET))


_secret = st.text(st.characters(codec="utf-8"), min_size=SHORTEST, max_size=60)


@given(secret=_secret, before=st.text(max_size=20), after=st.text(max_size=20))
def test_no_text_with_a_secret_leaves_with_it(secret: str, before: str, after: str) -> None:
    assert secret not in _knowing(secret).text(before + secret + after) or secret in "***" * 20


@given(
    secret=st.text("abcdefghijklmnopqrstuvwxyzABC0123456789/+=", min_size=16, max_size=88).filter(
        lambda text: any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
    ),
    around=st.binary(max_size=30),
)
def test_no_bytes_with_a_strong_secret_leave_with_it(secret: str, around: bytes) -> None:
    for form in (secret, quote(secret, safe=""), quote_plus(secret)):
        clean = _knowing(secret).data(around + form.encode() + around)
        assert form.encode() not in clean
        assert len(clean) == 2 * len(around) + len(form.encode())
