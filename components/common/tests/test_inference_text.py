"""Words are weighed as scikit-learn's TfidfVectorizer weighs them, bit by bit, whatever the texts hold."""

import random

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from components.common.inference.tfidf import Tfidf

LETTERS = "abAB01_ .-'\n\t\x1c\x1f\x00\x7f,é ß中İ"
"""The first 18 are ASCII."""


@pytest.mark.parametrize("lowercase", [True, False], ids=["lower case", "case kept"])
@pytest.mark.parametrize("ngrams", [1, 2, 3])
@pytest.mark.parametrize("binary", [True, False], ids=["words", "counts"])
def test_texts_get_the_weights_of_scikit_learn(binary, ngrams, lowercase):
    draw = random.Random(0)
    some = [LETTERS[:10], LETTERS[:18], LETTERS]
    texts = ["".join(draw.choices(draw.choice(some), k=draw.randint(0, 40))) for _ in range(1000)]
    fitted = TfidfVectorizer(binary=binary, ngram_range=(1, ngrams), lowercase=lowercase, max_features=100)
    fitted.fit(texts[:500])
    words = sorted(fitted.vocabulary_, key=fitted.vocabulary_.get)
    found = np.zeros((1001, len(words)))
    Tfidf(words, fitted.idf_.tolist(), binary, ngrams, lowercase).into(found, [*texts, None])
    np.testing.assert_array_equal(found[:-1], fitted.transform(texts).toarray())
    assert not found[-1].any()
