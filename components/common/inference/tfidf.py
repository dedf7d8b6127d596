"""TF-IDF of short texts, bit by bit as scikit-learn's TfidfVectorizer has it, without its sparse matrices."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

_TOKEN = re.compile(r"(?u)\b\w\w+\b")
_REMEMBERED = 4096
"""So many combinations of words are remembered with their weights."""
_ASCII = "".join(one if one.isalnum() or one == "_" else " " for one in map(chr, range(128)))
"""What stands for each ASCII character where all that is not of a word is a space."""


class Tfidf:
    """One text column's features.

    Args:
        vocabulary: The words, by the index of their feature.
        idf: (words,) their weights.
        binary: Whether a word that stands twice counts once.
        ngrams: Words in a row that make one term, at most.
        lowercase: Whether texts are lower-cased first.
    """

    def __init__(self, vocabulary: Sequence[str], idf: Sequence[float], binary: bool, ngrams: int, lowercase: bool):
        self.index = {word: at for at, word in enumerate(vocabulary)}
        self.words = frozenset(self.index)
        self.idf = [float(value) for value in idf]
        self.binary, self.ngrams, self.lowercase = binary, ngrams, lowercase
        self._ascii = _ASCII.lower() if lowercase else _ASCII
        self._known: dict[frozenset, tuple[list[int], list[float]]] = {}

    def into(self, out: np.ndarray, texts: Sequence[str | None]) -> None:
        """Writes the features of texts into a matrix of zeros.

        Args:
            out: (texts, words) float64, changed in place.
            texts: None stands for an empty one.
        """
        tokens, within = self._tokens, self.words.intersection
        rows: list[int] = []
        columns: list[int] = []
        found: list[float] = []
        for row, text in enumerate(texts):
            if text and (hits := within(terms := tokens(text))):
                at, weights = self._weights(hits) if self.binary else self._weighed(hits, Counter(terms))
                rows += [row] * len(at)
                columns += at
                found += weights
        out[rows, columns] = found

    def _tokens(self, text: str) -> list[str]:
        """The terms of a text, and perhaps words of one letter, which are in no vocabulary."""
        if text.isascii():  # then the words can be had without a regular expression, in half the time
            tokens = text.translate(self._ascii).split()
            return tokens if self.ngrams == 1 else self._terms([word for word in tokens if len(word) > 1])
        tokens = _TOKEN.findall(text.lower() if self.lowercase else text)
        return tokens if self.ngrams == 1 else self._terms(tokens)

    def _terms(self, tokens: list[str]) -> list[str]:
        terms = list(tokens)
        for size in range(2, min(self.ngrams, len(tokens)) + 1):
            terms += [" ".join(tokens[first : first + size]) for first in range(len(tokens) - size + 1)]
        return terms

    def _weights(self, hits: frozenset[str]) -> tuple[list[int], list[float]]:
        found = self._known.get(hits)
        if found is None:
            found = self._weighed(hits, None)
            if len(self._known) < _REMEMBERED:
                self._known[hits] = found
        return found

    def _weighed(self, hits: frozenset[str], counts: Any) -> tuple[list[int], list[float]]:
        """Indices and weights of unit length, added up in the order of the indices as scikit-learn does."""
        ordered = sorted((self.index[word], word) for word in hits)
        raw = [(counts[word] if counts else 1) * self.idf[at] for at, word in ordered]
        total = 0.0
        for value in raw:
            total += value * value
        length = math.sqrt(total)
        return [at for at, _ in ordered], [value / length for value in raw]
