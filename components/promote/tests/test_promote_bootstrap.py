import numpy as np
import pytest

from components.common.inference.sklearn_predict import Answers
from components.common.metrics.bootstrap import affordable, interval, resampled_score
from components.common.metrics.scores import all_classes, scored

CLASS_METRICS = ("auc_macro_ovo", "f1_macro", "accuracy", "log_loss")
NUMBER_METRICS = ("r2", "mae", "rmse")


def labelled(rows=150, classes=4, seed=0, ties=False):
    """True labels and the answers of two models, one of which sees more clearly."""
    random = np.random.default_rng(seed)
    names = [f"c{at}" for at in range(classes)]
    codes = random.integers(0, classes, rows)

    def model(sharp):
        raw = random.normal(size=(rows, classes))
        raw[np.arange(rows), codes] += sharp
        chance = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
        if ties:
            chance = (chance * 4).round() + 0.1
            chance /= chance.sum(axis=1, keepdims=True)
        return Answers(np.array(names, dtype=object)[chance.argmax(axis=1)], chance)

    return np.array(names, dtype=object)[codes], model(1.6), model(0.8), names


def numbered(rows=150, seed=0):
    random = np.random.default_rng(seed)
    truth = random.normal(1000, 20, rows)
    return truth, Answers(truth + random.normal(0, 5, rows)), Answers(truth + random.normal(0, 9, rows))


def case(metric):
    if metric in NUMBER_METRICS:
        return "regression", *numbered(), None
    return "classification", *labelled()


@pytest.mark.parametrize("metric", [*CLASS_METRICS, *NUMBER_METRICS])
def test_the_interval_is_that_of_drawing_rows_and_scoring_them_anew(section, metric):
    task, truth, better, worse, names = case(metric)
    low, high, resamples = interval(section(task, metric=metric, resamples=2000), truth, better, worse, names, names)

    def part(found, rows):
        chance = None if found.probabilities is None else found.probabilities[rows]
        return scored(truth[rows], Answers(found.predicted[rows], chance), names).values[metric]

    random = np.random.default_rng(7)
    drawn = [random.integers(0, len(truth), len(truth)) for _ in range(1200)]
    sign = -1 if metric in ("log_loss", "mae", "rmse") else 1
    expected = np.quantile([sign * (part(better, rows) - part(worse, rows)) for rows in drawn], [0.025, 0.975])
    assert resamples == 2000 and high > 0
    assert [low, high] == pytest.approx(expected.tolist(), abs=0.12 * (expected[1] - expected[0]))


@pytest.mark.parametrize("ties", [False, True], ids=["no-ties", "ties"])
@pytest.mark.parametrize("classes", [2, 3, 15])
@pytest.mark.parametrize("metric", CLASS_METRICS)
def test_a_resample_is_scored_as_its_rows_would_be(metric, classes, ties):
    truth, found, _, names = labelled(120, classes, seed=classes, ties=ties)
    random = np.random.default_rng(3)
    rows = random.integers(0, len(truth), len(truth))
    counts = np.bincount(rows, minlength=len(truth))
    both = np.stack([counts, np.ones(len(truth))], axis=1)
    expected = [
        scored(truth[part], Answers(found.predicted[part], found.probabilities[part]), names).values[metric]
        for part in (rows, np.arange(len(truth)))
    ]
    assert resampled_score(metric, truth, found, names)(both).tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("metric", [*CLASS_METRICS, *NUMBER_METRICS])
def test_a_resample_of_keys_is_scored_as_all_of_their_rows_would_be(metric):
    _, truth, found, _, names = case(metric)
    random = np.random.default_rng(3)
    keys = random.permutation(np.arange(len(truth)) % 40)
    drawn = random.integers(0, 40, 40)
    rows = np.concatenate([np.flatnonzero(keys == key) for key in drawn])
    chance = None if found.probabilities is None else found.probabilities[rows]
    expected = scored(truth[rows], Answers(found.predicted[rows], chance), names).values[metric]
    counts = np.bincount(drawn, minlength=40)[:, None].astype(float)
    assert resampled_score(metric, truth, found, names, keys)(counts)[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("metric", NUMBER_METRICS)
def test_a_resample_of_numbers_is_scored_as_its_rows_would_be(metric):
    truth, found, _ = numbered()
    rows = np.random.default_rng(3).integers(0, len(truth), len(truth))
    counts = np.bincount(rows, minlength=len(truth))[:, None].astype(float)
    expected = scored(truth[rows], Answers(found.predicted[rows]), None).values[metric]
    assert resampled_score(metric, truth, found, None)(counts)[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("metric", CLASS_METRICS)
def test_a_class_that_the_model_never_saw_counts_as_in_the_scores(metric):
    truth, found, _, names = labelled(120, 4)
    chance = found.probabilities[:, :3] / found.probabilities[:, :3].sum(axis=1, keepdims=True)
    known = Answers(np.array(names, dtype=object)[chance.argmax(axis=1)], chance)
    assert all_classes(truth, names[:3]) == names
    expected = scored(truth, known, names[:3]).values[metric]
    found = resampled_score(metric, truth, known, names[:3])(np.ones((len(truth), 1)))
    assert found[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("metric", [*CLASS_METRICS, *NUMBER_METRICS])
def test_a_model_is_no_better_than_itself(section, metric):
    task, truth, better, _, names = case(metric)
    assert interval(section(task, metric=metric), truth, better, better, names, names)[:2] == (0.0, 0.0)


def test_a_seed_gives_one_interval_and_another_seed_another(section):
    truth, better, worse, names = labelled()
    first, again, other = (interval(section(seed=seed), truth, better, worse, names, names) for seed in (1, 1, 2))
    assert first == again != other


def test_a_higher_confidence_gives_a_wider_interval(section):
    truth, better, worse, names = labelled()
    narrow, wide = (interval(section(confidence=c), truth, better, worse, names, names) for c in (0.8, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_resamples_of_one_class_alone_are_left_out(section):
    truth = np.array(["a", "a", "a", "a", "b"], dtype=object)
    chance = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.8, 0.2], [0.5, 0.5]])
    found = Answers(np.array(["a", "b"], dtype=object)[chance.argmax(axis=1)], chance)
    other = Answers(found.predicted, chance[::-1].copy())
    low, high, resamples = interval(section(resamples=500), truth, found, other, ["a", "b"], ["a", "b"])
    assert 250 < resamples < 450 and -1 <= low <= high <= 1


@pytest.mark.parametrize(
    ("asked", "rows", "drawn"),
    [(1000, 40_000, 1000), (1000, 80_000, 500), (1000, 10**7, 200), (100, 10**7, 100)],
)
def test_many_rows_are_resampled_less_often_but_not_too_seldom(asked, rows, drawn):
    assert affordable(asked, rows) == drawn
