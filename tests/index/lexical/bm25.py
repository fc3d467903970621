"""BM25 computed from its formula, by whoever does not trust an index."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from index.lexical.words import TextAnalysis

K1, B = 1.2, 0.75


def scores(texts: Sequence[str], query: str) -> Mapping[int, float]:
    """Score of each text, by its place, that has a word of the query."""
    analysis = TextAnalysis()
    words = [analysis.words(text) for text in texts]
    mean = sum(map(len, words)) / max(len(words), 1)
    counts = [Counter(each) for each in words]
    found: dict[int, float] = {}
    for word in analysis.words(query):
        having = [at for at, count in enumerate(counts) if count[word]]
        rarity = math.log(1 + (len(texts) - len(having) + 0.5) / (len(having) + 0.5))
        for at in having:
            times = counts[at][word]
            weight = times * (K1 + 1) / (times + K1 * (1 - B + B * len(words[at]) / mean))
            found[at] = found.get(at, 0.0) + rarity * weight
    return found
