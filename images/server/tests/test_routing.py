"""Keys are dealt to models evenly, and to the same model everywhere."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tabpipe_server.routing import choose

SERVER = Path(__file__).resolve().parents[1]
KEYS = [f"customer-{number}" for number in range(20_000)]


def dealt(keys, fraction, salt=""):
    return {key for key in keys if choose(key, fraction, salt) == "challenger"}


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize(
    "keys",
    [KEYS, [str(number) for number in range(20_000)], [f"{number:032x}" for number in range(20_000)]],
    ids=["names", "numbers", "request ids"],
)
def test_the_challengers_share_is_that_of_the_fraction(keys, fraction):
    share = len(dealt(keys, fraction)) / len(keys)
    assert abs(share - fraction) < 4 * math.sqrt(fraction * (1 - fraction) / len(keys))


@pytest.mark.parametrize(("fraction", "expected"), [(0.0, set()), (-0.5, set()), (1.0, set(KEYS)), (1.5, set(KEYS))])
def test_nobody_and_everybody_is_exact(fraction, expected):
    assert dealt(KEYS, fraction) == expected


def test_a_larger_fraction_only_moves_keys_from_champion_to_challenger():
    before = set()
    for fraction in (0.0, 0.001, 0.05, 0.2, 0.21, 0.5, 0.999, 1.0):
        now = dealt(KEYS, fraction)
        assert before <= now
        before = now


def test_the_choice_is_the_same_in_another_process():
    code = (
        "from tabpipe_server.routing import choose\nprint(*(choose(f'customer-{n}', 0.3, 'june') for n in range(500)))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(SERVER), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert seen == {" ".join(choose(key, 0.3, "june") for key in KEYS[:500])}


def test_the_choice_does_not_change_between_releases():
    # Another hash would move the customers of a running experiment to the other model.
    keys = ["", "a", "b", "ü", "customer-1", "customer-2"]
    assert dealt(keys, 0.5) == {"a", "ü"}
    assert dealt(keys, 0.5, "x") == {"a", "b", "ü", "customer-1"}


def test_another_salt_deals_anew():
    first, second = dealt(KEYS, 0.5), dealt(KEYS, 0.5, "next")
    assert abs(len(first & second) / len(first) - 0.5) < 0.03


@pytest.mark.parametrize(
    "key", ["", "\ud800", "x" * 100_000, "ключ", "\0"], ids=["empty", "surrogate", "long", "cyrillic", "nul"]
)
def test_any_text_is_a_key(key):
    assert choose(key, 0.5, salt=key) in ("champion", "challenger")
