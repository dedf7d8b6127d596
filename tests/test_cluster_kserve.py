"""A server that KServe runs: an update is followed to its pods, and all is taken off again."""

import pytest

from tabpipe.cluster.forward import forwarded
from tabpipe.serving.kserve import KINDS
from tests.conftest import command_line
from tests.test_cluster_install import kubectl, mlflow_image  # noqa: F401  # fixtures
from tests.test_cluster_serving import NAMESPACE, ask, platform, pods, server_image, tabpipe, train  # noqa: F401

pytestmark = pytest.mark.cluster

SETTINGS = ["serve.poll=1", "serve.replicas.min=2", "serve.replicas.max=2"]
DEPLOY = ["deploy", "iris", "--overlay", "kserve", "--namespace", NAMESPACE, *SETTINGS]
TO = "deployment/serve-iris-predictor"


@pytest.fixture(scope="module", autouse=True)
def kserve(kubectl):  # noqa: F811
    if not kubectl("get", "crd", KINDS, "--ignore-not-found", "-o", "name").strip():
        pytest.skip("there is no KServe on the cluster")


@pytest.fixture(scope="module")
def deploy(kserve, train, server_image):  # noqa: F811
    train()
    return lambda *more: tabpipe(*DEPLOY, *server_image, *more)


@pytest.fixture(scope="module")
def deployed(deploy):
    return deploy()


def test_it_answers_once_all_its_pods_are_ready(deployed, kubectl):  # noqa: F811
    out, err = deployed
    assert TO in err and len(pods(kubectl)) == 2
    assert "in the cluster  http://serve-iris-predictor." in out and "ask it" in out
    with forwarded(kubectl, TO, 8080, TO, NAMESPACE) as url:
        assert ask(url).json()["predictions"] == ["versicolor"]


def test_an_update_is_over_when_the_command_is(deploy, deployed, kubectl):  # noqa: F811
    before = set(pods(kubectl))
    deploy("serve.limits.rows=9000")
    assert not before & set(pods(kubectl))


def test_another_scaling_makes_no_other_pods_and_is_not_waited_for(deploy, deployed, kubectl):  # noqa: F811
    before = set(pods(kubectl))
    for cpu in (61, 62, 63):  # KServe's observedGeneration stays behind
        deploy("serve.limits.rows=9000", f"serve.replicas.cpu={cpu}", "--timeout", "30")
    assert set(pods(kubectl)) == before


def test_an_update_that_fails_is_told(deployed):
    done = command_line(*DEPLOY, "--registry", "nowhere.invalid", timeout=200)
    assert done.returncode == 2 and "nowhere.invalid" in done.stderr


def test_another_overlay_is_refused(deployed):
    done = command_line("deploy", "iris", "--namespace", NAMESPACE, *SETTINGS, timeout=120)
    assert done.returncode == 2 and "of another overlay" in done.stderr


def test_undeploying_leaves_nothing(deployed, kubectl):  # noqa: F811
    tabpipe("undeploy", "iris", "--namespace", NAMESPACE)
    kinds = f"deployments,services,hpa,pdb,networkpolicies,serviceaccounts,configmaps,{KINDS}"
    assert not kubectl.items("get", kinds, "-n", NAMESPACE, "-l", "app.kubernetes.io/name=serve")
