import inspect

import numpy as np
import pytest

from components.common.base.errors import Refusal
from components.common.config.estimators import NAMED, packages_of, refuse_not_installed, refuse_unknown_early
from components.train.models import as_accepted, constraints_of, estimator_class, make_estimator
from components.train.train import train

OTHERS = [model for model in sorted(NAMED) if packages_of(model)]
SMALL = {"lightgbm": {"n_estimators": 10}, "xgboost": {"n_estimators": 10}, "catboost": {"iterations": 20}}


def installed(model):
    """Skips a test of a library that is optional and absent."""
    if (module := NAMED[model]["regression"].module) != "sklearn":
        pytest.importorskip(module, reason=f"{model} is not installed: make estimator MODEL={model}")


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("model", [model for model in sorted(NAMED) if model not in OTHERS])
def test_the_known_hyperparameters_are_those_of_scikit_learn(model, task):
    signature = inspect.signature(estimator_class(model, task)).parameters
    assert set(NAMED[model][task].hyperparameters) == set(signature) - {"random_state"}


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("model", OTHERS)
def test_the_known_hyperparameters_of_other_libraries_are_theirs(model, task):
    installed(model)
    spec, theirs = NAMED[model][task], estimator_class(model, task)
    known = set(inspect.signature(theirs).parameters)
    if model == "lightgbm":  # its further parameters have no signature, but names that it knows
        import lightgbm.basic

        aliases = lightgbm.basic._ConfigAliases._get_all_param_aliases()
        known.update(aliases, *aliases.values())
    if model == "xgboost":  # the last three are parameters of objectives
        known |= {*theirs().get_params(), "huber_slope", "quantile_alpha", "tweedie_variance_power"}
    assert {*spec.hyperparameters, *spec.fixed, spec.seed, spec.threads} <= known
    assert all(constraints_of(rule) for rule in spec.hyperparameters.values())


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("random_forest", {}),
        ("hist_gradient_boosting", {"max_iter": 10}),
        ("linear", {}),
        *SMALL.items(),
        ("neural_network", {}),
        ("sklearn.neighbors.KNeighbors", {}),
        ("sklearn.tree.DecisionTree", {}),
        (
            "sklearn.neural_network.MLP",
            {"hidden_layer_sizes": [20.0], "learning_rate_init": 0.05, "early_stopping": True},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_model_learns_better_than_guessing(make_section, table, held_out, model, more, task):
    kind = {"classification": "Classifier", "regression": "Regressor"}[task]
    if model.startswith("sklearn."):
        model += kind
    if model in NAMED:
        installed(model)
    found = train(make_section(task, model=model, **more), table, held_out)
    if task == "classification":
        assert found.scores.values["auc_macro_ovo"] > 0.8
    else:
        assert found.scores.values["r2"] > 0.7
    assert set(found.importance.columns) == set(found.plan.features)
    assert found.pipeline[-1].get_params().get("n_jobs") in (None, 1)


@pytest.mark.parametrize(
    ("model", "task", "problem"),
    [
        ("randomforest", "classification", "did you mean 'random_forest'"),
        ("os.system", "classification", "no such model"),
        ("sklearn.ensemble.RandomForest", "classification", "did you mean 'RandomForestClassifier'"),
        ("sklearn.ensemble.RandomForestRegressor", "classification", "no estimator for classification"),
        ("sklearn.svm.SVC", "regression", "no estimator for regression"),
        ("sklearn.preprocessing.StandardScaler", "regression", "not on the list"),
        ("sklearn.ensemble._forest.RandomForestClassifier", "classification", "not on the list"),
        ("sklearn.ensemble.VotingClassifier", "classification", "needs estimators, which a config cannot give"),
        ("sklearn.dummy.ClassifierMixin", "classification", "has no such estimator"),
    ],
)
def test_models_off_the_list_are_refused(make_section, model, task, problem):
    with pytest.raises(Refusal, match=problem):
        make_estimator(make_section(task, model=model))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_estimator": 5}, ["train.n_estimator", "did you mean 'n_estimators'"]),
        ({"n_estimators": 0}, ["train.n_estimators", "value: 0", "int in the range [1, inf)"]),
        ({"n_estimators": 2.5}, ["train.n_estimators", "value: 2.5"]),
        ({"max_depth": "deep"}, ["train.max_depth", "value: deep"]),
        ({"criterion": "ginny"}, ["train.criterion", "'gini'"]),
        ({"random_state": 3}, ["train.random_state", "write train.seed"]),
    ],
    ids=["misspelt", "out-of-range", "fraction", "wrong-type", "unknown-option", "random-state"],
)
def test_hyperparameters_that_are_not_accepted_are_refused_by_field_value_and_rule(make_section, given, message):
    with pytest.raises(Refusal) as refused:
        make_estimator(make_section(**given))
    assert all(part in str(refused.value) for part in message)


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        ("lightgbm", {"num_leaves": 1}, ["train.num_leaves", "int in the range [2, 131072]"]),
        ("lightgbm", {"boosting_type": "gdbt"}, ["train.boosting_type", "'gbdt'"]),
        ("lightgbm", {"verbosity": 2}, ["always -1"]),
        ("xgboost", {"subsample": 0.0}, ["train.subsample", "float in the range (0.0, 1.0]"]),
        ("catboost", {"depth": "deep"}, ["train.depth", "int in the range [1, 16]"]),
        ("catboost", {"random_seed": 1}, ["write train.seed"]),
        ("catboost", {"allow_writing_files": True}, ["always False"]),
    ],
)
def test_hyperparameters_of_other_libraries_are_refused_by_their_rules(make_section, model, given, message):
    installed(model)
    with pytest.raises(Refusal) as refused:
        make_estimator(make_section(model=model, **given))
    assert all(part in str(refused.value) for part in message)


@pytest.mark.parametrize(
    ("model", "sent", "received"),
    [
        ("lightgbm", {"n_estimators": 50.0, "max_bin": 63.0, "objective": None}, {"n_estimators": 50, "max_bin": 63}),
        ("xgboost", {"max_depth": 4.0, "learning_rate": 1.0}, {"max_depth": 4, "learning_rate": 1.0}),
        ("catboost", {"iterations": 9.0, "depth": None}, {"iterations": 9, "random_seed": 42}),
    ],
)
def test_other_libraries_get_the_types_that_they_take(make_section, model, sent, received):
    installed(model)
    found = make_estimator(make_section(model=model, **sent)).get_params()
    assert {name: (found[name], type(found[name])) for name in received} == {
        name: (value, type(value)) for name, value in received.items()
    }
    assert found.get("depth") is None


def test_boosting_libraries_get_missing_and_unscaled_numbers_unless_asked_otherwise(make_section, table):
    installed("xgboost")
    found = train(
        make_section(model="xgboost", n_estimators=2, features={"columns": {"girth": {"impute": "mean"}}}), table, table
    )
    assert found.plan.settings["height"] == {"impute": "none", "scale": False, "indicator": False}
    assert found.plan.settings["girth"]["impute"] == "mean"


@pytest.mark.parametrize(
    ("model", "name", "suggestion"),
    [
        ("hist_gradient_boosting", "learning_rat", "learning_rate"),
        ("lightgbm", "num_leafs", "num_leaves"),
        ("catboost", "iteration", "iterations"),
    ],
)
def test_a_misspelt_hyperparameter_is_refused_without_its_library(model, name, suggestion):
    with pytest.raises(Refusal, match=f"did you mean '{suggestion}'"):
        refuse_unknown_early(model, "regression", [name])
    refuse_unknown_early("sklearn.tree.DecisionTreeClassifier", "classification", ["whatever"])


def test_a_model_that_is_not_installed_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("components.common.config.estimators.find_spec", lambda name: None)
    with pytest.raises(Refusal, match=r"xgboost-cpu is not installed[\s\S]*make estimator MODEL=xgboost"):
        refuse_not_installed("xgboost")
    refuse_not_installed("random_forest")


@pytest.mark.parametrize(
    ("model", "name", "sent", "received"),
    [
        ("random_forest", "n_estimators", 200.0, 200),
        ("random_forest", "max_depth", 13.0, 13),
        ("random_forest", "n_jobs", 2.0, 2),
        ("random_forest", "verbose", 0.0, 0),
        ("random_forest", "max_features", 1.0, 1.0),
        ("random_forest", "max_features", 1, 1),
        ("random_forest", "max_features", 5.0, 5),
        ("random_forest", "max_features", 0.5, 0.5),
        ("random_forest", "min_samples_leaf", 1.0, 1),
        ("random_forest", "min_samples_leaf", 0.1, 0.1),
        ("random_forest", "max_depth", None, None),
        ("random_forest", "class_weight", "balanced", "balanced"),
        ("linear", "C", 1.0, 1.0),
        ("linear", "max_iter", 50.0, 50),
        ("sklearn.neural_network.MLPClassifier", "hidden_layer_sizes", [50.0, 20.0], [50, 20]),
        ("sklearn.linear_model.LogisticRegressionCV", "l1_ratios", [0.0, 0.5], [0.0, 0.5]),
    ],
)
def test_whole_numbers_get_the_type_that_the_estimator_takes(make_section, model, name, sent, received):
    found = getattr(make_estimator(make_section(model=model, **{name: sent})), name)
    assert found == received and type(found) is type(received)
    if isinstance(found, list):
        assert [type(one) for one in found] == [type(one) for one in received]


def test_a_ridge_keeps_a_whole_alpha_a_float(make_section):
    alpha = make_estimator(make_section("regression", model="linear", alpha=1.0)).alpha
    assert alpha == 1.0 and type(alpha) is float


def test_unknown_constraints_leave_values_alone():
    assert as_accepted(3.0, "no_validation") == 3.0


def test_the_seed_and_all_processors_are_given_to_estimators_that_take_them(make_section):
    forest = make_estimator(make_section(seed=7))
    assert forest.random_state == 7 and forest.n_jobs == -1
    assert make_estimator(make_section(model="linear")).n_jobs is None
    assert make_estimator(make_section(n_jobs=1.0)).n_jobs == 1


def test_what_the_estimator_finds_wrong_while_fitting_is_a_refusal(make_section, table, held_out):
    section = make_section(model="linear", features={"numerical": {"impute": "none"}})
    with pytest.raises(Refusal, match=r"linear cannot be fitted: Input X contains NaN"):
        train(section, table, held_out)


def test_a_classifier_without_probabilities_is_scored_by_its_labels(make_section, table, held_out):
    found = train(make_section(model="sklearn.svm.LinearSVC"), table, held_out)
    assert set(found.scores.values) == {"f1_macro", "accuracy"} and np.isfinite(found.scores.values["accuracy"])
