import pytest

from components.common.artifacts import Version
from components.common.artifacts.version import Making
from components.common.registry import Standing
from components.promote.origin import other_source
from components.promote.promote import staying_challenger


@pytest.mark.parametrize(
    ("candidate", "champion"),
    [
        ("/data/rentals.csv", "/data/rentals.csv"),
        ("/data/rentals.csv", "file:///data/rentals.csv"),
        ("/data/rentals-2024-02.csv", "/data/rentals-2024-01.csv"),
        ("/data/rentals_20240201.csv", "/data/rentals_20240101.csv"),
        ("/data/rentals_2024W05.csv", "/data/rentals_2024W06.csv"),
        ("s3://bucket/rentals/2024/02/part.csv", "s3://bucket/rentals/2024/01/part.csv"),
        ("s3://bucket/dt=2024-01-02/", "s3://bucket/dt=2024-01-03/"),
        ("s3://bucket/rentals/", "s3://bucket/rentals/"),
        ("artifact://rentals_raw:v7", "artifact://rentals_raw:latest"),
        ("https://x.org/t.csv?X-Amz-Date=***", "https://x.org/t.csv?X-Amz-Date=***"),
        ("sample://iris", "sample://iris"),
        ("/data/rentals.csv", ""),
    ],
)
def test_the_same_table_at_another_time_is_the_same_source(candidate, champion):
    assert not other_source(candidate, champion, [])


@pytest.mark.parametrize(
    ("candidate", "champion"),
    [
        ("sample://nyc_rentals", "/data/rentals.csv"),
        ("/home/bo/rentals.csv", "/home/ana/rentals.csv"),
        ("/data/rentals2.csv", "/data/rentals1.csv"),
        ("/data/zone 3021.csv", "/data/zone 3022.csv"),
        ("s3://bucket/rentals/", "s3://bucket/hotels/"),
        ("artifact://hotels:v1", "artifact://rentals:v1"),
        ("https://x.org/t.csv?city=2", "https://x.org/t.csv?city=1"),
        ("sample://iris", "artifact://iris"),
    ],
)
def test_a_table_from_elsewhere_is_another_source(candidate, champion):
    assert other_source(candidate, champion, []) and other_source(champion, candidate, [])


@pytest.mark.parametrize(
    ("allowed", "other"),
    [
        (["/data/export?.csv"], False),
        (["export?.csv"], False),
        (["data/*.csv"], False),
        (["*"], False),
        (["/data/export1.csv", "/data/export2.csv"], False),
        (["/data/export1.csv"], True),
        (["s3://*"], True),
    ],
    ids=["pattern", "name", "relative", "any", "listed", "one alone", "elsewhere"],
)
def test_the_config_says_which_sources_follow_each_other(allowed, other):
    assert other_source("/data/export2.csv", "/data/export1.csv", allowed) is other


@pytest.mark.parametrize(
    ("waiting", "candidate", "stays"),
    [
        (None, "sample://iris", False),
        ("/data/iris.csv", "sample://iris", True),
        ("/data/iris.csv", "/data/iris.csv", False),
        ("sample://iris", "sample://iris", False),
        ("sample://iris", "/data/iris.csv", False),
    ],
    ids=["none waits", "own source", "both own", "both others", "candidate's own"],
)
def test_a_challenger_of_the_champion_s_source_is_not_pushed_aside_by_a_sample(section, waiting, candidate, stays):
    def version(number, origin):
        return Version("iris.model", number, "0" * 64, "folder", 1, 1, "model", {"origin": origin}, Making((), {}, ""))

    challenger = version(1, waiting) if waiting else None
    before = Standing("iris", version(0, "/data/iris.csv"), None, challenger, 1)
    assert staying_challenger(section(), before, version(2, candidate)) == (challenger if stays else None)
    assert staying_challenger(section(sources=["*"]), before, version(2, candidate)) is None
