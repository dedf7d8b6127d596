"""Sources that must hold still while they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from components.common.base.errors import Refusal
from components.common.storage.address import Address

State = TypeVar("State")


def changed(address: Address) -> Refusal:
    """Return the refusal of a source that did not hold still."""
    return Refusal("the source changed while it was being read", where=address.shown, mend="run again when it is whole")


@contextmanager
def unchanged(state: Callable[[], State], address: Address) -> Iterator[State]:
    """Refuse a source that changes while the block reads it; that is said first, whatever else it led to.

    Args:
        state: Gives what changes when the source does.
        address: The source.

    Yields:
        The state at the beginning.

    Raises:
        Refusal: The state at the end is another.
    """
    before = state()

    def compare() -> None:
        try:
            same = state() == before
        except Refusal:
            raise changed(address) from None
        if not same:
            raise changed(address) from None

    try:
        yield before
    except Refusal:
        compare()
        raise
    compare()
