"""Stable hashes: the numbers are part of file formats."""

from jkeras.layers.preprocessing import hashes


def test_siphash_gives_its_authors_example():
    key = tuple(int.from_bytes(bytes(range(i, i + 8)), "little") for i in (0, 8))
    assert hashes.siphash64(bytes(range(15)), key) == 0xA129CA6149BE45E5


def test_farmhash_tells_texts_of_all_lengths_apart():
    texts = [b"a" * n for n in range(200)] + [b"a" * (n - 1) + b"b" for n in range(1, 200)]
    found = [hashes.farmhash64(text) for text in texts]
    assert len(set(found)) == len(texts) and max(found) < 2**64
    assert hashes.farmhash64(b"") == 0x9AE16A3B2F90404F
