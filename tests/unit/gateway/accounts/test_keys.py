import pytest

from gateway.accounts.keys import digest_of, is_same, new_key, prefix_of


def test_a_key_is_found_by_its_prefix_and_known_by_its_hash() -> None:
    key = new_key()

    assert prefix_of(key.text) == key.prefix
    assert is_same(key.digest, key.text)


def test_what_is_kept_does_not_hold_the_key() -> None:
    key = new_key()

    assert key.text not in repr(key) + key.digest + key.prefix
    assert key.text.split("_", 2)[2] not in repr(key)


def test_another_secret_with_the_same_prefix_is_another_key() -> None:
    key = new_key()
    forged = key.text[:-1] + ("A" if key.text[-1] != "A" else "B")

    assert prefix_of(forged) == key.prefix
    assert not is_same(digest_of(key.text), forged)


@pytest.mark.parametrize(
    "text", ["", "stt_", "stt_abc_def", "sk-123", "stt_" + "a" * 12 + "_" + "x" * 42, "\0", "ключ"]
)
def test_what_cannot_be_a_key_has_no_prefix(text: str) -> None:
    assert prefix_of(text) is None
