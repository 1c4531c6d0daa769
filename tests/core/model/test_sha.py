import hashlib

from core.model.sha import sha256


def test_sums_are_those_of_the_standard_library_also_of_copies() -> None:
    for length in (0, 1, 55, 56, 64, 500, 5000):
        text = bytes(range(256)) * 20
        begun = sha256(text[:7])
        copied = begun.copy()
        copied.update(text[:length])
        assert copied.digest() == hashlib.sha256(text[:7] + text[:length]).digest()
        assert begun.hexdigest() == hashlib.sha256(text[:7]).hexdigest()
