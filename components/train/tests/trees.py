"""A small table with columns of all kinds, and the section that goes with it."""

import numpy as np
import pandas as pd

from components.common.config.train import TrainArgument


def trees(rows=300, seed=0):
    """Trees by girth, height, bark and a note; missing values in girth, bark, note and the date."""
    random = np.random.default_rng(seed)
    kind = random.choice(["ash", "oak", "yew"], rows)
    girth = np.select([kind == "ash", kind == "oak"], [80.0, 200.0], 120.0) + random.normal(0, 30, rows)
    table = pd.DataFrame(
        {
            "id": np.arange(rows),
            "girth": girth,
            "height": random.integers(3, 30, rows),
            "bark": np.where(random.random(rows) < 0.7, kind, "grey"),
            "place": random.choice(["hill", "river", "town"], rows),
            "note": random.choice(["old tree", "young and green", "by the old mill", ""], rows),
            "by": random.choice(["Ann", "Bo"], rows),
            "seen": pd.Timestamp("2026-01-01") + pd.to_timedelta(random.integers(0, 365, rows), "D"),
            "kind": kind,
        }
    )
    for at, name in enumerate(["girth", "bark", "note", "seen"]):
        table.loc[random.random(rows) < 0.05 + at / 50, name] = None
    table["age"] = 2.0 * girth + table["height"] + random.normal(0, 5, rows)
    return table


KINDS = {
    "id": "identifier",
    "girth": "numerical",
    "height": "numerical",
    "bark": "categorical",
    "place": "categorical",
    "note": "text",
    "by": "text",
    "seen": "date",
    "kind": "categorical",
}
DERIVE = {
    "remark": {"join": ["note", "by"], "separator": " "},
    "slim": {"ratio": ("height", "girth")},
    "gap": {"difference": ("girth", "height")},
}


def section(task="classification", **changes):
    """A section for the table `trees`, with small forests."""
    columns = dict(KINDS)
    if task == "regression":
        columns["age"] = "numerical"
    base = {
        "task": task,
        "target": "kind" if task == "classification" else "age",
        "columns": columns,
        "derive": DERIVE,
        "model": "random_forest",
    }
    if changes.get("model", "random_forest") == "random_forest":
        base["n_estimators"] = 10
    return TrainArgument.model_validate({**base, **changes})
