"""Steps in containers of their own images: the same numbers as on this machine, and nothing more than they need."""

import subprocess

import pytest

from tests.conftest import real_table

pytestmark = pytest.mark.docker


@pytest.fixture(scope="session")
def images():
    """The images of all steps, built where they are not there; a skipped test without a Docker engine."""
    from components.common.base.errors import Refusal
    from tabpipe.compile.build_images import build

    try:
        return {image.step: image for image in build()}
    except Refusal as refusal:
        if "no Docker engine" in str(refusal):
            pytest.skip(str(refusal))
        raise


def test_containers_give_the_metrics_of_local_steps_to_the_last_digit(tabpipe, images, tmp_path):
    source = ["music_genres", "--source", real_table("genres_mod.parquet")]
    here = tabpipe(*source, home=tmp_path / "local")
    there = tabpipe(*source, "--on", "docker", home=tmp_path / "docker")
    assert (here.code, there.code) == (0, 0), here.err + there.err
    assert there.document["metrics"] == here.document["metrics"]
    assert there.ran == here.ran
    assert tabpipe(*source, "--on", "docker", home=tmp_path / "docker").ran == set()


@pytest.mark.parametrize("name", ["iris", "nyc_rentals"])
def test_every_use_case_runs_in_containers(tabpipe, images, name):
    result = tabpipe(name, "--on", "docker")
    assert result.code == 0, result.err


def test_a_refusal_in_a_container_reads_like_one_on_this_machine(tabpipe, images, fruit_case):
    case = fruit_case(lambda table: table.assign(label="plum"))
    result = tabpipe(case, "--on", "docker")
    assert result.code == 1 and result.states["check_data"] == "failed"
    assert "'label'" in result.document["error"] and "plum" in result.document["error"]


def test_images_are_small_run_as_nobody_and_say_what_they_are(images):
    from tabpipe.compile.build_images import engine

    client = engine()
    python = client.images.get("python:3.11-slim").attrs["Size"]
    base = images.pop("base")
    assert base.size - python <= 460e6
    assert base.size + sum(image.size - base.size for image in images.values()) <= 1.4e9, "all layers, each once"
    for image in images.values():
        assert image.size - base.size <= (150e6 if image.step == "mlflow" else 40e6), image
        attributes = client.images.get(image.name).attrs["Config"]
        assert attributes["User"] == "10001:10001"
        assert attributes["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_a_step_runs_as_another_user_on_a_read_only_root(images):
    command = [
        "docker",
        "run",
        "--rm",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--cap-drop",
        "ALL",
        "--env",
        "_KFP_RUNTIME=true",
        images["train"].name,
        "python3",
        "-c",
        "import os, kfp.dsl.executor_main, components.train.train\nprint(os.getuid())",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "10001"


def test_an_unchanged_image_is_not_built_again(images):
    from tabpipe.compile.build_images import build

    assert all(image.seconds == 0 for image in build())
