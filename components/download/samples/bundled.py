"""The small classic tables, out of the files that scikit-learn ships; importing it would take a second."""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_IRIS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
_WINE = (
    "alcohol",
    "malic_acid",
    "ash",
    "alcalinity_of_ash",
    "magnesium",
    "total_phenols",
    "flavanoids",
    "nonflavanoid_phenols",
    "proanthocyanins",
    "color_intensity",
    "hue",
    "od280_od315_of_diluted_wines",
    "proline",
)
_DIABETES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


def read(name: str) -> pa.Table:
    """Reads iris (target species), wine (target cultivar) or diabetes (target progression, in raw units).

    Raises:
        Refusal: scikit-learn is not installed here, or ships other files.
    """
    import numpy as np
    import pyarrow as pa

    folder = _folder(name)
    try:
        if name == "diabetes":
            with gzip.open(folder / "diabetes_data_raw.csv.gz") as file:
                values = np.loadtxt(file)
            with gzip.open(folder / "diabetes_target.csv.gz") as file:
                target = np.loadtxt(file)
            columns = {column: _whole(values[:, number]) for number, column in enumerate(_DIABETES)}
            return pa.table(columns | {"progression": _whole(target)})
        features, label, file_name = {
            "iris": (_IRIS, "species", "iris.csv"),
            "wine": (_WINE, "cultivar", "wine_data.csv"),
        }[name]
        # The first line holds rows, columns, and the names of the classes.
        classes = (folder / file_name).read_text().partition("\n")[0].split(",")[2:]
        values = np.loadtxt(folder / file_name, delimiter=",", skiprows=1)
    except OSError as error:
        raise Refusal(f"scikit-learn's file is not where it was ({error})", where=f"sample://{name}") from None
    columns = {column: values[:, number] for number, column in enumerate(features)}
    return pa.table(columns | {label: [classes[int(number)] for number in values[:, -1]]})


def _whole(values: np.ndarray) -> np.ndarray:
    """As integers where all of them are."""
    return values.astype("int64") if (values % 1 == 0).all() else values


def _folder(name: str) -> Path:
    found = find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise Refusal(
            "this sample ships with scikit-learn, which is not installed here",
            where=f"sample://{name}",
            mend="pip install scikit-learn, or use sample://music_genres",
        )
    return Path(found.submodule_search_locations[0]) / "datasets" / "data"
