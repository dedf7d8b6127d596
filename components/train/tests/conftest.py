import os
from pathlib import Path

import pandas as pd
import pytest

from components.train.tests.trees import section, trees

REAL = Path(os.environ.get("TABPIPE_SHARED_DATA", Path(__file__).resolve().parents[3] / "../shared/data"))


@pytest.fixture
def make_section():
    return section


@pytest.fixture(scope="session")
def table():
    return trees()


@pytest.fixture(scope="session")
def held_out():
    return trees(rows=120, seed=1)


@pytest.fixture
def real_table():
    """Reads a real table, or skips the test where the machine has none."""

    def read(name):
        if not (REAL / name).is_file():
            pytest.skip(f"the real table {name} is not on this machine")
        return pd.read_parquet(REAL / name) if name.endswith("parquet") else pd.read_csv(REAL / name)

    return read
