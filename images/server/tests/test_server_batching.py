"""Small requests to a model of scikit-learn are asked together, and each gets its own answer."""

import asyncio
import shutil
import threading

import numpy as np
import pytest

from components.common.base.errors import Refusal
from components.common.inference import load_predictor
from tabpipe_server.executor import Answering

ROW = {"girth": 210.5, "height": 12, "bark": "oak", "place": "hill", "note": "old tree", "by": "Ann", "seen": None}


class Counted:
    """A predictor that counts how often it is asked, and waits for leave the first time."""

    def __init__(self, predictor):
        self.predictor, self.sizes, self.leave = predictor, [], threading.Event()
        self.path, self.columns = "scikit-learn", predictor.columns

    def answer(self, columns, rows, texts=False):
        self.sizes.append(rows)
        self.leave.wait(10)
        if any(value == "refuse" for value in columns["note"]):
            raise Refusal("no such note")
        return self.predictor.answer(columns, rows, texts)


@pytest.fixture
def counted(trees_folder, tmp_path):
    """The model as it is without its compiled form."""
    shutil.copytree(trees_folder, tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "compiled", ignore_errors=True)
    return Counted(load_predictor(tmp_path / "model"))


def columns(*rows):
    return {name: [row[name] for row in rows] for name in ROW}


def asked_at_once(counted, requests):
    """The answers to requests, of which all but the first come while the model is busy with it."""

    async def ask():
        answering = Answering(timeout=20)
        tasks = [asyncio.create_task(answering.answer(counted, columns(*rows), len(rows))) for rows in requests]
        await asyncio.sleep(0.2)
        counted.leave.set()
        try:
            return await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            answering.stop()

    return asyncio.run(ask())


def test_what_came_meanwhile_is_asked_together(counted):
    requests = [[ROW | {"girth": 60.0 + 10 * at}] * (1 + at % 3) for at in range(9)]
    answers = asked_at_once(counted, requests)
    assert counted.sizes == [1, sum(map(len, requests)) - 1]
    for rows, answer in zip(requests, answers, strict=True):
        alone = counted.predictor.answer(columns(*rows), len(rows))
        assert answer.predicted.tolist() == alone.predicted.tolist()
        np.testing.assert_array_equal(answer.probabilities, alone.probabilities)


def test_a_fault_stays_with_its_request(counted):
    bad = ROW | {"girth": "wide"}
    first, good, faulty, last = asked_at_once(counted, [[ROW], [ROW, ROW], [ROW, bad], [ROW]])
    assert [fault.row for fault in faulty.faults] == [1]
    assert faulty.kept.tolist() == [0]
    assert not first.faults + good.faults + last.faults
    assert good.kept.tolist() == [0, 1]


def test_a_refusal_stays_with_its_request(counted):
    first, good, refused = asked_at_once(counted, [[ROW], [ROW], [ROW | {"note": "refuse"}]])
    assert isinstance(refused, Refusal)
    assert len(first.predicted) == len(good.predicted) == 1


def test_batches_are_bounded(counted):
    asked_at_once(counted, [[ROW], *[[ROW] * 150] * 3])
    assert counted.sizes == [1, 150, 150, 150]
