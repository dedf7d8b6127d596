"""The model makes derived columns of a request as the pipeline made those that it learnt from."""

import pandas as pd

from components.common.tables.parquet import read_table, write_table
from components.preprocess.preprocess import preprocess_file
from components.train.transformers import Columns

RAW = pd.DataFrame(
    {
        "title": ["A", None, " b ", "", "Å"],
        "song": ["x", "y", None, None, "z"],
        "rooms": [2, 0, 5, 3, 4],
        "size": [10.5, None, 0.0, 7.0, -2.0],
        "price": [1, 2, 3, 4, 5],
    }
)
KINDS = {"title": "text", "song": "text", "rooms": "numerical", "size": "numerical", "price": "numerical"}
DERIVE = {
    "words": {"join": ["title", "song"], "separator": " / "},
    "room": {"ratio": ["size", "rooms"]},
    "dense": {"ratio": ["rooms", "size"]},
    "rest": {"difference": ["size", "rooms"]},
}


def test_columns_derived_in_the_model_equal_those_of_the_step_preprocess(tmp_path):
    write_table(RAW, tmp_path / "raw")
    fill = {"song": "no song", "size": 3.0}
    section = {"target": "price", "columns": KINDS, "derive": DERIVE, "fill": fill}
    preprocess_file(section, tmp_path / "raw", tmp_path / "clean")
    clean = read_table(tmp_path / "clean")
    asked = {name: kind for name, kind in KINDS.items() if name != "price"}
    for table in (RAW, clean):
        made = Columns(asked, list(DERIVE), DERIVE, fill=fill).transform(table)
        pd.testing.assert_frame_equal(made, clean[list(DERIVE)].astype({"words": object}))
