"""Texts become dates all at once as they do one by one."""

import pyarrow as pa
import pytest

from components.common.inference.arrow_values import of_kind, parsed_dates
from components.common.inference.values import converted


@pytest.mark.parametrize(
    ("form", "texts", "at_once"),
    [
        (None, ["2024-05", "2023-12-31", None], True),
        (None, ["2024-05-31T10:00:00+02:00", " 1969-12-31T23:59:59.123456Z "], True),
        (None, ["2024-05-31", "yesterday"], False),
        ("%d/%m/%Y", ["31/12/2023", None, "01/02/1850"], True),
        ("%d/%m/%Y %H:%M:%S.%f", ["31/12/2023 23:59:59.123457"], True),
        ("%d.%m.%Y %z", ["31.12.2023 +0530", "01.01.2024 -0800"], True),
        ("%d/%m/%Y", ["31/12/2023", "12/31/2023"], False),
        ("%d/%m/%Y", ["31/12/2023", "now"], False),
    ],
)
def test_dates_read_at_once_are_those_read_one_by_one(form, texts, at_once):
    way = {"format": form} if form else {}
    bare = pa.array([text and text.strip() for text in texts], pa.string())
    assert (parsed_dates(bare, form) is not None) == at_once
    days, faults = converted(texts, "date", way)
    found = of_kind(pa.array(texts, pa.string()), "date", way)
    assert found.faults == faults
    micro = [None if day != day else round(day * 86_400_000_000) for day in days]
    assert found.values.cast(pa.int64()).to_pylist() == micro
