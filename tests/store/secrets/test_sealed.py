import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import ConfigError, DataError
from store.secrets.sealed import MAGIC, Cost, seal, unseal

QUICK = Cost(log2_n=1, r=1)
SEALED = seal(b"the text that is kept", "passphrase", QUICK)


@given(text=st.binary(max_size=3000), passphrase=st.text(min_size=1, max_size=40))
def test_any_text_comes_back_with_its_passphrase(text: bytes, passphrase: str) -> None:
    try:
        passphrase.encode()
    except UnicodeEncodeError:
        return  # lone surrogates are no text that could be typed
    assert unseal(seal(text, passphrase, QUICK), passphrase) == text


@given(at=st.integers(0, len(SEALED) - 1), flip=st.integers(1, 255))
def test_any_changed_byte_is_told_as_damage_not_as_a_wrong_passphrase(at: int, flip: int) -> None:
    broken = SEALED[:at] + bytes([SEALED[at] ^ flip]) + SEALED[at + 1 :]
    with pytest.raises(DataError, match=r"damaged|not a key file"):
        unseal(broken, "passphrase")


@given(cut=st.integers(0, len(SEALED) - 1))
def test_any_cut_file_is_told_as_damage(cut: int) -> None:
    with pytest.raises(DataError):
        unseal(SEALED[:cut], "passphrase")


@given(junk=st.binary(max_size=400))
def test_any_other_file_is_refused_without_costing_memory(junk: bytes) -> None:
    with pytest.raises(DataError):
        unseal(MAGIC + junk, "passphrase")


@given(other=st.text(max_size=20).filter(lambda text: text != "passphrase"))
def test_any_other_passphrase_is_told_as_wrong(other: str) -> None:
    try:
        other.encode()
    except UnicodeEncodeError:
        return
    with pytest.raises(ConfigError, match="passphrase is wrong"):
        unseal(SEALED, other)


def test_a_changed_file_with_a_new_checksum_is_still_refused() -> None:
    import hashlib

    body = bytearray(SEALED[:-32])
    body[-1] ^= 1
    with pytest.raises(ConfigError, match="somebody changed the file"):
        unseal(bytes(body) + hashlib.sha256(body).digest(), "passphrase")


@pytest.mark.parametrize(("log2_n", "r", "p"), [(30, 8, 1), (17, 4096, 1), (10, 8, 999), (0, 8, 1)])
def test_a_head_that_would_take_the_machine_down_is_refused(log2_n: int, r: int, p: int) -> None:
    import hashlib

    body = bytearray(SEALED[:-32])
    body[9] = log2_n
    body[10:12], body[12:14] = r.to_bytes(2, "big"), p.to_bytes(2, "big")
    with pytest.raises(DataError, match=r"its head says n=2\^"):
        unseal(bytes(body) + hashlib.sha256(body).digest(), "passphrase")


def test_a_file_of_a_newer_clx_is_left_to_it() -> None:
    import hashlib

    body = bytearray(SEALED[:-32])
    body[8] = 2
    with pytest.raises(DataError, match="of version 2, this clx knows version 1"):
        unseal(bytes(body) + hashlib.sha256(body).digest(), "passphrase")


def test_the_same_text_never_gives_the_same_file() -> None:
    one, two = (seal(b"same", "passphrase", QUICK) for _ in range(2))
    assert one != two
    assert b"same" not in one


def test_the_cost_is_what_guides_ask_for_and_stands_in_the_file() -> None:
    assert Cost() == Cost(log2_n=17, r=8, p=1)
    assert SEALED[9] == 1
