"""Addresses of models are taken apart in one way, whoever asks."""

import pytest

from components.common.base.errors import Refusal
from components.common.registry.model_ref import parse_model


@pytest.mark.parametrize(
    ("text", "address", "use_case"),
    [
        ("models:/iris@champion", "models:/iris@champion", "iris"),
        ("models:/iris/3", "models:/iris/3", "iris"),
        ("models:/iris@3", "models:/iris@3", "iris"),
        ("artifact://iris.model:v3", "artifact://iris.model:v3", "iris"),
        ("artifact:iris.model:prod", "artifact://iris.model:prod", "iris"),
        ("artifact://iris.model", "artifact://iris.model:champion", "iris"),
        ("iris", "artifact://iris.model:champion", "iris"),
        ("iris@v3", "artifact://iris.model:v3", "iris"),
        ("iris.model:v3", "artifact://iris.model:v3", "iris"),
        ("/models/iris", "/models/iris", "iris"),
        ("file:///models/iris", "/models/iris", "iris"),
    ],
)
def test_an_address_names_one_model(text, address, use_case):
    ref = parse_model(text, short=True)
    assert (str(ref), ref.use_case) == (address, use_case)
    assert parse_model(str(ref)) == ref


@pytest.mark.parametrize("short", [True, False])
def test_a_folder_with_a_model_comes_before_a_use_case(short, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris").mkdir()
    assert parse_model("iris", short=short).place == ("store" if short else "folder")
    (tmp_path / "iris" / "MLmodel").touch()
    assert str(parse_model("iris", short=short)) == str(tmp_path / "iris")


@pytest.mark.parametrize(
    "text", ["models:iris", "models:/iris", "models:/iris/latest", "s3://bucket/iris", "artifact://.."]
)
def test_what_names_no_model_is_refused_with_a_rule(text):
    with pytest.raises(Refusal, match="rule"):
        parse_model(text, short=True)
