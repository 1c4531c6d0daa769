import hashlib
import hmac

import pytest

from core.wire.signing import HmacSigner, encode_query

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
PARAMS = [
    ("symbol", "LTCBTC"),
    ("side", "BUY"),
    ("type", "LIMIT"),
    ("timeInForce", "GTC"),
    ("quantity", "1"),
    ("price", "0.1"),
    ("recvWindow", "5000"),
    ("timestamp", "1499827319559"),
]


def test_binance_published_vector_is_reproduced():
    query, _, signature = HmacSigner(SECRET).signed(PARAMS).rpartition("&signature=")
    assert query == (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        "&recvWindow=5000&timestamp=1499827319559"
    )
    assert signature == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_a_secret_of_any_length_signs_as_the_standard_library_does(length):
    secret, text = "é" + "k" * (length - 1), "a" * length
    expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert HmacSigner(secret).hex(text) == expected


def test_signer_gives_the_same_answer_twice():
    signer = HmacSigner("k")
    assert signer.hex("a") == signer.hex("a") != signer.hex("b")


def test_values_are_percent_encoded_once_and_space_is_not_plus():
    assert encode_query([("note", "a b+c&d=é/%20")]) == "note=a%20b%2Bc%26d%3D%C3%A9%2F%2520"
    assert encode_query([("id", "clxt-0_9.~"), ("z", "")]) == "id=clxt-0_9.~&z="


def test_secret_is_not_in_the_repr():
    assert SECRET not in repr(HmacSigner(SECRET))
