"""The tables that come with tabpipe: two are generated, three are scikit-learn's."""

from __future__ import annotations

from pathlib import Path

from components.common.base.errors import Refusal, nearest
from components.common.base.files import written_whole

GENERATED = ("music_genres", "nyc_rentals")
BUNDLED = ("iris", "wine", "diabetes")


def write_sample(name: str, path: Path) -> bool:
    """Writes a sample as parquet: the same bytes each time.

    Args:
        name: Its name.
        path: Where to write.

    Returns:
        Whether the table is made up.

    Raises:
        Refusal: There is no such sample.
    """
    import pyarrow.parquet as pq

    if name == "music_genres":
        from components.download.samples.music_genres import make
    elif name == "nyc_rentals":
        from components.download.samples.nyc_rentals import make
    elif name in BUNDLED:
        from functools import partial

        from components.download.samples.bundled import read

        make = partial(read, name)
    else:
        raise Refusal("there is no such sample", where=f"sample://{name}", mend=nearest(name, GENERATED + BUNDLED))
    table = make()
    with written_whole(path) as beside:
        pq.write_table(table, beside, compression="zstd")
    return name in GENERATED
