import pytest

from components.common.base.errors import Refusal
from components.common.config.patterns import chosen, expand, rule_of
from components.common.config.reading import Reading
from components.common.config.train import TrainArgument

TABLE = ["id", "f1", "f2", "g1", "price [EUR]", "y"]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param({"f*": 1, "id": 2}, {"f1": 1, "f2": 1, "id": 2}, id="in-its-place-and-the-table's-order"),
        pytest.param({"f*": 1, "f1": 2}, {"f2": 1, "f1": 2}, id="a-name-counts-before-a-pattern"),
        pytest.param({"f*": 1, "*1": 2}, {"f1": 1, "f2": 1, "g1": 2}, id="of-patterns-the-first-counts"),
        pytest.param({"*1": 2, "f*": 1}, {"f1": 2, "g1": 2, "f2": 1}, id="in-the-order-of-the-config"),
        pytest.param({"y": 0, "*": 1}, {"y": 0, **dict.fromkeys(TABLE[:-1], 1)}, id="the-rest"),
        pytest.param({"*[EUR]": 1}, {"price [EUR]": 1}, id="only-the-star-is-special"),
        pytest.param({"F*": 1, "f1": 2}, "no column fits the pattern 'F*'", id="case-counts"),
        pytest.param({"z": 1}, {"z": 1}, id="a-name-that-is-absent-stays"),
        pytest.param({"f*": 1, "f1*": 2}, "no column is left for the pattern 'f1*'", id="taken-by-a-pattern"),
        pytest.param({"f1": 1, "f1*": 2}, "no column is left for the pattern 'f1*'", id="taken-by-its-name"),
    ],
)
def test_patterns_stand_for_columns(rules, expected):
    if isinstance(expected, str):
        with pytest.raises(Refusal, match=expected.replace("*", r"\*")):
            expand(rules, TABLE, "columns")
    else:
        assert list(expand(rules, TABLE, "columns").items()) == list(expected.items())


def test_a_column_whose_name_holds_a_star_is_itself():
    assert expand({"a*": 1, "*": 2}, ["ab", "a*"], "columns") == {"a*": 1, "ab": 2}
    assert Reading(missing=["?"], columns={"a*": {"percent": True}}).ways(["ab", "a*"]) == {
        "ab": {"missing": ["?"]},
        "a*": {"missing": ["?"], "percent": True},
    }


def test_a_list_takes_patterns_and_leaves_out_what_it_may_not_mean():
    assert chosen(["g1", "f*", "f1"], TABLE, "train.features.use") == ["g1", "f2", "f1"]
    assert expand({"*": 1}, TABLE, "preprocess.fill", never=["y"]) == dict.fromkeys(TABLE[:-1], 1)


def test_a_refusal_of_thousands_of_columns_is_short():
    with pytest.raises(Refusal) as refusal:
        expand({"g*": 1}, [f"f{at}" for at in range(5000)], "columns")
    assert "f0, f1" in str(refusal.value) and "4,990 more" in str(refusal.value)


def test_a_config_alone_tells_a_rule():
    assert rule_of({"*": "text", "f1": "date"}, "f1") == "date"
    assert rule_of({"f*": "text"}, "g") is None


def test_later_steps_resolve_to_what_preprocess_wrote():
    columns = {"f*": "numerical", "y": "categorical"}
    section = TrainArgument(
        target="y", task="classification", columns=columns, derive={"f_r": {"ratio": ["f1", "f2"]}}, fill={"*": 0}
    )
    found = section.of_table(["f1", "f2", "y", "f_r"])
    assert found.columns == {"f1": "numerical", "f2": "numerical", "y": "categorical"}
    assert found.fill == {"f1": 0, "f2": 0}
