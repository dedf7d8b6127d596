"""Which model answers a request: the same one for the same key, on every machine and after every restart."""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

Role = Literal["champion", "challenger"]
_BYTES = 8


def choose(key: str, fraction: float, salt: str = "") -> Role:
    """Chooses the model that answers a request.

    A key's place between 0 and 1 is read from its hash, so a larger fraction moves keys from the champion to the
    challenger and none back.

    Args:
        key: What a request belongs to, for instance a customer.
        fraction: The share of keys, 0 to 1, that the challenger answers.
        salt: Another salt deals the keys anew, so that one experiment's groups are not those of the next.
    """
    if fraction <= 0:
        return "champion"
    if fraction >= 1:
        return "challenger"
    # A lone surrogate has no UTF-8, yet a header or a JSON text may hold one.
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_BYTES, key=_salted(salt)).digest()
    return "challenger" if int.from_bytes(digest, "big") < fraction * 2 ** (8 * _BYTES) else "champion"


def _salted(salt: str) -> bytes:
    """A salt of any length as a key of the hash, which takes 64 bytes."""
    return blake2b(salt.encode("utf-8", "surrogatepass"), digest_size=32).digest() if salt else b""
