"""Stable hashes of bytes, with TensorFlow's numbers: vocabularies and files depend on them."""

from collections.abc import Callable

_BITS = (1 << 64) - 1


# ------------------------------------------------------------------ FarmHash64
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def _rotate_right(x: int, n: int) -> int:
    return ((x >> n) | (x << (64 - n))) & _BITS


def _shift_mix(x: int) -> int:
    return x ^ (x >> 47)


def _mix(u: int, v: int, factor: int) -> int:
    a = _shift_mix((u ^ v) * factor & _BITS)
    return _shift_mix((v ^ a) * factor & _BITS) * factor & _BITS


def _mix_32_bytes(s: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (int.from_bytes(s[at + i : at + i + 8], "little") for i in (0, 8, 16, 24))
    a = (a + w) & _BITS
    b = _rotate_right((b + a + z) & _BITS, 21)
    c = a
    a = (a + x + y) & _BITS
    b += _rotate_right(a, 44)
    return (a + z) & _BITS, (b + c) & _BITS


def farmhash64(s: bytes) -> int:
    """Returns FarmHash's 64-bit fingerprint (Pike and Alakuijala, 2014), TensorFlow's stable hash.

    Args:
        s: The bytes.
    """
    n = len(s)

    def word(at: int, size: int = 8) -> int:
        at = at % n if at < 0 else at
        return int.from_bytes(s[at : at + size], "little")

    factor = (_K2 + 2 * n) & _BITS
    if n == 0:
        return _K2
    if n < 4:
        y, z = s[0] + (s[n >> 1] << 8), n + (s[-1] << 2)
        return _shift_mix((y * _K2 ^ z * _K0) & _BITS) * _K2 & _BITS
    if n < 8:
        return _mix((n + (word(0, 4) << 3)) & _BITS, word(-4, 4), factor)
    if n <= 16:
        a, b = (word(0) + _K2) & _BITS, word(-8)
        c = (_rotate_right(b, 37) * factor + a) & _BITS
        return _mix(c, (_rotate_right(a, 25) + b) * factor & _BITS, factor)
    if n <= 64:
        first = _K1 if n <= 32 else _K2
        a, b, c, d = word(0) * first & _BITS, word(8), word(-8) * factor & _BITS, word(-16) * _K2
        y = (_rotate_right((a + b) & _BITS, 43) + _rotate_right(c, 30) + d) & _BITS
        z = _mix(y, (a + _rotate_right((b + _K2) & _BITS, 18) + c) & _BITS, factor)
        if n <= 32:
            return z
        e, f = word(16) * factor & _BITS, word(24)
        g, h = (y + word(-32)) * factor & _BITS, (z + word(-24)) * factor & _BITS
        y = (_rotate_right((e + f) & _BITS, 43) + _rotate_right(g, 30) + h) & _BITS
        return _mix(y, (e + _rotate_right((f + a) & _BITS, 18) + g) & _BITS, factor)
    return _farmhash64_long(s, word)


def _farmhash64_long(s: bytes, word: Callable[[int], int]) -> int:
    """Returns the fingerprint of more than 64 bytes."""
    n = len(s)
    x, y = 81, (81 * _K1 + 113) & _BITS
    z = _shift_mix((y * _K2 + 113) & _BITS) * _K2 & _BITS
    v0 = v1 = w0 = w1 = 0
    x = (x * _K2 + word(0)) & _BITS
    factor, times = _K1, 1
    starts = [*range(0, (n - 1) // 64 * 64, 64), n - 64]
    for i, at in enumerate(starts):
        if i == len(starts) - 1:  # the last 64 bytes, which may have been seen in part
            factor, times = _K1 + ((z & 0xFF) << 1), 9
            w0 = (w0 + ((n - 1) & 63)) & _BITS
            v0 = (v0 + w0) & _BITS
            w0 = (w0 + v0) & _BITS
        x = _rotate_right((x + y + v0 + word(at + 8)) & _BITS, 37) * factor & _BITS
        y = _rotate_right((y + v1 + word(at + 48)) & _BITS, 42) * factor & _BITS
        x ^= w1 * times & _BITS
        y = (y + v0 * times + word(at + 40)) & _BITS
        z = _rotate_right((z + w0) & _BITS, 33) * factor & _BITS
        v0, v1 = _mix_32_bytes(s, at, v1 * factor & _BITS, (x + w0) & _BITS)
        w0, w1 = _mix_32_bytes(s, at + 32, (z + w1) & _BITS, (y + word(at + 16)) & _BITS)
        x, z = z, x
    first = (_mix(v0, w0, factor) + _shift_mix(y) * _K0 + z) & _BITS
    return _mix(first, (_mix(v1, w1, factor) + x) & _BITS, factor)


# ------------------------------------------------------------------ SipHash
def siphash64(s: bytes, key: tuple[int, int]) -> int:
    """Returns the SipHash-2-4 of bytes with a key of two words (Aumasson and Bernstein, 2012).

    Args:
        s: The bytes.
        key: The key.
    """
    v0, v1 = key[0] ^ 0x736F6D6570736575, key[1] ^ 0x646F72616E646F6D
    v2, v3 = key[0] ^ 0x6C7967656E657261, key[1] ^ 0x7465646279746573
    padded = s + bytes(-(len(s) + 1) % 8) + bytes([len(s) & 0xFF])
    words = [int.from_bytes(padded[i : i + 8], "little") for i in range(0, len(padded), 8)]
    for word in (*words, None):
        v2, v3 = (v2 ^ 0xFF, v3) if word is None else (v2, v3 ^ word)
        for _ in range(4 if word is None else 2):
            v0 = (v0 + v1) & _BITS
            v1 = _rotate_left(v1, 13) ^ v0
            v2 = (v2 + v3) & _BITS
            v3 = _rotate_left(v3, 16) ^ v2
            v0 = (_rotate_left(v0, 32) + v3) & _BITS
            v3 = _rotate_left(v3, 21) ^ v0
            v2 = (v2 + v1) & _BITS
            v1 = _rotate_left(v1, 17) ^ v2
            v2 = _rotate_left(v2, 32)
        v0 ^= word or 0
    return v0 ^ v1 ^ v2 ^ v3


def _rotate_left(x: int, n: int) -> int:
    return _rotate_right(x, 64 - n)


def concatenate(x: int, y: int) -> int:
    """Returns TensorFlow's fingerprint of two fingerprints."""
    factor = 0xC6A4A7935BD1E995
    result = x ^ factor
    result ^= _shift_mix(y * factor & _BITS) * factor & _BITS
    result = result * factor & _BITS
    return _shift_mix(_shift_mix(result) * factor & _BITS)
