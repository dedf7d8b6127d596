import pandas as pd
import pytest

from components.common.config.segregate import SplitRule
from components.promote.leakage import SplitChange, untouched_rows

TEST = pd.DataFrame(
    {
        "host": [1, 1, 2, 3],
        "day": pd.to_datetime(["2024-01-01", "2024-01-03", "2024-01-04", "2024-01-05"]),
        "x": range(4),
    }
)


def rule(by, column=None, seed=42):
    return SplitRule(by=by, column=column, seed=None if by == "time" else seed, test_size=0.3, validation_size=0.3)


@pytest.mark.parametrize(
    ("split", "fresh"),
    [
        (None, [False, True, True, True]),
        (rule("shuffle", "host"), [False, True, True, True]),
        (rule("group", "host"), [False, False, True, True]),
        (rule("time", "day"), [False, False, True, True]),
        (rule("time", "absent"), [False, True, True, True]),
    ],
    ids=["unknown", "shuffle", "group", "time", "no-such-column"],
)
@pytest.mark.parametrize("kind", ["same", "text"])
def test_rows_that_tell_of_what_was_trained_on_are_known_too(split, fresh, kind):
    seen = pd.DataFrame({"host": [1.0, 9.0], "day": pd.to_datetime(["2024-01-01", "2024-01-03"]), "x": [0, 99]})
    if kind == "text":  # the champion's table had other types
        seen = seen.assign(host=["1", "9"], day=["2024-01-01 00:00:00", "2024-01-03 00:00:00"])
    if split is not None and split.column == "absent":
        assert "absent" not in TEST
    assert untouched_rows(TEST, [seen], split).tolist() == fresh


def test_a_time_that_is_a_number_is_compared_as_one():
    table = pd.DataFrame({"week": [8, 9, 10], "x": [1, 2, 3]})
    seen = pd.DataFrame({"week": [9], "x": [7]})
    assert untouched_rows(table, [seen], rule("time", "week")).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("before", "now", "differs", "mixed"),
    [
        (None, rule("shuffle"), False, ""),
        (rule("shuffle"), rule("shuffle"), False, ""),
        (rule("shuffle"), rule("shuffle", seed=7), True, ""),
        (rule("shuffle"), rule("group", "host"), True, ""),
        (rule("group", "host"), rule("group", "host", seed=7), True, ""),
        (rule("group", "host"), rule("shuffle"), True, "kept the rows of each host together"),
        (rule("time", "day"), rule("group", "host"), True, "tested on the latest rows by day"),
    ],
    ids=["unknown", "same", "seed", "stricter", "groups anew", "groups given up", "time given up"],
)
def test_a_candidate_that_mixes_what_the_champion_s_split_kept_apart_knows_its_test_rows(before, now, differs, mixed):
    change = SplitChange(before, now)
    assert change.differs is differs and mixed in change.mixed and bool(change.mixed) == bool(mixed)
