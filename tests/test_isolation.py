"""Steps pin what they want: two of them with two versions of one library, in one pipeline, in images of their own.

The project is a temporary one of two tiny steps on the real base, built by the project's own builder.
"""

import json
import shutil

import pytest

from components.common.base.errors import Refusal
from tabpipe.compile.images import BASE, image_of, stamp_images
from tabpipe.engines.kfp_light import dsl
from tests.conftest import ROOT

pytestmark = pytest.mark.docker

LABEL = "tabpipe.test"

LOCKS = {
    "older": """more-itertools==8.14.0 \\
    --hash=sha256:1bc4f91ee5b1b31ac7ceacc17c09befe6a40a503907baf9c839c229b5095cfd2
six==1.16.0 \\
    --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254
tabulate==0.9.0 \\
    --hash=sha256:024ca478df22e9340661486f85298cff5f6dcdba14f3813e8830015b9ed1948f
""",
    "newer": """more-itertools==10.5.0 \\
    --hash=sha256:037b0d3203ce90cca8ab1defbbdac29d5f993fc20131f3664dc8d6acfa872aef
""",
}
"""One library in two versions, one that the base has in another version, and one that the first step alone has."""

SOURCES = {
    # Version 9 dropped collate() and brought batched().
    "older": """import more_itertools


def merged(a, b):
    return list(more_itertools.collate(a, b))
""",
    "newer": """import more_itertools


def batches(numbers):
    return [list(batch) for batch in more_itertools.batched(numbers, 4)]
""",
}


@dsl.component(base_image="tabpipe/older", install_kfp_package=False)
def older(report: dsl.Output[dsl.Artifact], numbers: dsl.OutputPath(str)):
    import importlib.util
    import json

    import more_itertools
    import six

    from components.older.older import merged

    with open(numbers, "w") as file:
        json.dump(merged([1, 3, 5, 7, 9], [2, 4, 6, 8]), file)
    report.metadata["version"] = more_itertools.__version__
    report.metadata["six"] = six.__version__
    report.metadata["batched"] = hasattr(more_itertools, "batched")
    report.metadata["tabulate"] = importlib.util.find_spec("tabulate") is not None
    report.metadata["other"] = importlib.util.find_spec("components.newer") is not None


@dsl.component(base_image="tabpipe/newer", install_kfp_package=False)
def newer(numbers: str, report: dsl.Output[dsl.Artifact]):
    import importlib.util
    import json

    import more_itertools
    import six

    from components.newer.newer import batches

    report.metadata["batches"] = json.dumps(batches(json.loads(numbers)))
    report.metadata["version"] = more_itertools.__version__
    report.metadata["six"] = six.__version__
    report.metadata["collate"] = hasattr(more_itertools, "collate")
    report.metadata["tabulate"] = importlib.util.find_spec("tabulate") is not None
    report.metadata["other"] = importlib.util.find_spec("components.older") is not None


@dsl.pipeline(name="pair")
def pair():
    newer(numbers=older().outputs["numbers"])


def write_project(root):
    """A project with the real base and the two steps, on the Dockerfile that all steps have in common."""
    shutil.copytree(ROOT / "images" / "base", root / "images" / "base")
    (root / "images" / "step").mkdir()
    recipe = (ROOT / "images" / "step" / "Dockerfile").read_text()
    # By their label, the images of the first stage are found again.
    own = recipe.replace("AS packages\n", f"AS packages\nLABEL {LABEL}={root.name}\n")
    (root / "images" / "step" / "Dockerfile").write_text(own)
    (root / "components").mkdir()
    (root / "components" / "__init__.py").touch()
    for step in LOCKS:
        folder = root / "components" / step
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / f"{step}.py").write_text(SOURCES[step])
        (folder / "requirements.lock").write_text(LOCKS[step])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The temporary project, its images built; they are removed at the end, all but the base, which is the real one."""
    from tabpipe.compile.build_images import build, engine

    root = tmp_path_factory.mktemp("isolation")
    write_project(root)
    try:
        client = engine()
    except Refusal as refusal:
        pytest.skip(str(refusal))
    try:
        build(LOCKS, root=root)
        yield root
    finally:
        for name in (image_of(step, root) for step in LOCKS):
            if client.images.list(name):
                client.images.remove(name)
        client.images.prune({"dangling": True, "label": f"{LABEL}={root.name}"})
        assert not client.images.list(all=True, filters={"label": f"{LABEL}={root.name}"})


@pytest.fixture(scope="module")
def outputs(project, tmp_path_factory):
    """Step to the outputs of one run of the pair in containers."""
    from tabpipe.engines.docker import runner
    from tabpipe.engines.execution import Execution
    from tabpipe.engines.kfp_local import run_pipeline

    home, made, failed = tmp_path_factory.mktemp("home"), {}, []
    spec = type(pair.pipeline_spec)()
    spec.CopyFrom(pair.pipeline_spec)
    assert set(stamp_images(spec, project)) == set(LOCKS)
    execution = Execution(
        root=home / "kfp",
        log=lambda step: home / f"{step}.log",
        spool=home / "spool",
        warm=lambda: None,
        docker=runner([home], []),
        on_end=lambda step, key, outputs, cached: made.update({step: outputs}),
        on_fail=lambda step, code, folder: failed.append((home / f"{step}.log").read_text()),
    )
    assert run_pipeline(spec, {}, execution, home / "engine.log"), failed
    return made


def test_each_step_runs_the_version_that_it_pins(outputs):
    first, second = outputs["older"]["report"].metadata, outputs["newer"]["report"].metadata
    assert (first["version"], second["version"]) == ("8.14.0", "10.5.0")
    assert first["six"] == "1.16.0" != second["six"], "the base's own version is the other step's"
    assert json.loads(outputs["older"]["numbers"]) == list(range(1, 10))
    assert json.loads(second["batches"]) == [[1, 2, 3, 4], [5, 6, 7, 8], [9]]
    assert not first["batched"] and not second["collate"]


def test_a_step_sees_neither_packages_nor_code_of_another(outputs):
    first, second = outputs["older"]["report"].metadata, outputs["newer"]["report"].metadata
    assert first["tabulate"] and not second["tabulate"]
    assert not first["other"] and not second["other"]


def test_another_pin_makes_another_image_of_that_step_alone(project, tmp_path):
    copy = shutil.copytree(project, tmp_path / "project")
    lock = copy / "components" / "older" / "requirements.lock"
    lock.write_text(LOCKS["newer"])
    assert image_of("older", copy) != image_of("older", project)
    assert [image_of(name, copy) for name in ("newer", BASE)] == [image_of(name, project) for name in ("newer", BASE)]


def test_a_package_whose_hash_is_not_the_locked_one_is_not_installed(project, tmp_path):
    from tabpipe.compile.build_images import build

    copy = shutil.copytree(project, tmp_path / "project")
    lock = copy / "components" / "newer" / "requirements.lock"
    lock.write_text(LOCKS["newer"].replace("sha256:0", "sha256:1"))
    with pytest.raises(Refusal, match="does not build") as refusal:
        build(["newer"], root=copy)
    assert "DO NOT MATCH THE HASHES" in str(refusal.value)
