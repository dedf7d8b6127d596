import pytest


@pytest.fixture(scope="session")
def trees_folder(tmp_path_factory):
    """The folder of a trained classification of trees."""
    from images.server.tests.tree_models import tree_model

    return tree_model(tmp_path_factory.mktemp("trees"))


@pytest.fixture(scope="session")
def regression_folder(tmp_path_factory):
    """The folder of a trained regression of trees."""
    from images.server.tests.tree_models import tree_model

    return tree_model(tmp_path_factory.mktemp("ages"), "regression")
