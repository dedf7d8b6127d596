import math

import numpy as np
import pytest

from components.common.base.numbers import score, signed, written


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1234567, "1,234,567"),
        (1e6, "1,000,000"),
        (15763.4, "15,763"),
        (1234567.8, "1,234,568"),
        (0.123456, "0.1235"),
        (3.0, "3"),
        (6.65491, "6.655"),
        (34.2149, "34.21"),
        (123.456, "123.5"),
        (0.000321, "0.00032"),
        (-0.00002, "-0.00002"),
        (3e-9, "3e-09"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (np.int64(3), "3"),
        (np.float32(0.5), "0.5"),
        (True, "True"),
        ("12345", "12345"),
        (1e300, "1e+300"),
        (-0.5, "-0.5"),
    ],
)
def test_numbers_are_written_as_people_read_them(value, shown):
    assert written(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.95, "0.9500"),
        (1.19151, "1.1915"),
        (1.0, "1.0000"),
        (0, "0"),
        (50.0, "50"),
        (12.5, "12.50"),
        (15763.4, "15,763"),
        (None, "–"),
    ],
)
def test_scores_keep_their_last_zeros(value, shown):
    assert score(value) == shown


def test_a_difference_has_its_sign():
    assert [signed(value) for value in (0.25, -0.25, 0, 15763.4)] == ["+0.2500", "-0.2500", "0", "+15,763"]


def test_more_digits_show_more():
    assert written(34.21491, 6) == "34.2149" and written(15763.4, 6) == "15,763.4"
