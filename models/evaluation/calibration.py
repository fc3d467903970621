"""From a detector's logits to probabilities that can be believed, and from scores to a better order.

Pure functions on arrays: W words with a logit each and a label each (True = wrong); Q queries with k candidates each.
"""

import numpy as np

# Newton's method on two numbers needs about eight rounds; more means that a line search has stopped it for good
_ROUNDS = 50
# a decision needs no more digits, and nobody reads more
_THRESHOLDS = np.arange(1, 5001) / 10_000
# from a weight that changes no order to one that forgets the cosine
_WEIGHTS = np.concatenate([[0.0], np.geomspace(1e-4, 10, 101)])


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-logits)), without overflow."""
    return np.exp(-np.logaddexp(0, -logits))


def platt(logits: np.ndarray, wrong: np.ndarray) -> tuple[float, float]:
    """Slope and intercept with which sigmoid(slope x logit + intercept) is the probability of being wrong.

    Platt, "Probabilistic outputs for support vector machines", 1999: maximum likelihood with his smoothed labels, which
    keep it finite where all words are of one class or a line parts them. A slope below 0 would turn the detector round;
    then its logits say nothing, and the answer is the share of wrong words for every logit. Without words it is the bare
    sigmoid.

    Args:
        logits: (W,).
        wrong: (W,) bool.
    """
    if not len(logits):
        return 1.0, 0.0
    positive, negative = int(wrong.sum()), int((~wrong).sum())
    labels = np.where(wrong, (positive + 1) / (positive + 2), 1 / (negative + 2))
    inputs = np.stack([logits.astype(np.float64), np.ones(len(logits))], axis=1)  # (W, 2)
    share = float(np.log((positive + 1) / (negative + 1)))
    fitted = np.array([0.0, share])
    for _ in range(_ROUNDS):
        chances = sigmoid(inputs @ fitted)
        gradient = inputs.T @ (chances - labels)
        # a touch on the diagonal: equal logits have no slope
        hessian = (inputs * (chances * (1 - chances))[:, None]).T @ inputs + 1e-9 * np.eye(2)
        moved = _descended(inputs, labels, fitted, np.linalg.solve(hessian, gradient))
        if np.abs(moved - fitted).max() < 1e-8:
            break
        fitted = moved
    slope, intercept = fitted.tolist()
    return (slope, intercept) if slope >= 0 else (0.0, share)


def _descended(inputs: np.ndarray, labels: np.ndarray, fitted: np.ndarray, step: np.ndarray) -> np.ndarray:
    """As far along a Newton step as the loss falls; nowhere when it does not."""

    def loss(weights: np.ndarray) -> float:
        logits = inputs @ weights
        return float((np.logaddexp(0, logits) - labels * logits).sum())

    before = loss(fitted)
    return next((moved for part in 0.5 ** np.arange(20) if loss(moved := fitted - part * step) < before), fitted)


def calibration_error(chances: np.ndarray, wrong: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: the mean distance of what was foretold from what was, over bins of equal width.

    Guo et al., "On calibration of modern neural networks", 2017, equation 3. 0 without words.

    Args:
        chances: (W,) probabilities of being wrong.
        wrong: (W,) bool.
        bins: how many.
    """
    places = np.minimum((chances * bins).astype(int), bins - 1)
    gaps = np.bincount(places, weights=chances - wrong, minlength=bins)
    return float(np.abs(gaps).sum() / max(1, len(chances)))


def deciding_threshold(chances: np.ndarray, wrong: np.ndarray) -> float:
    """The threshold for which the words of a greater chance of being wrong are the wrong words best: their F1 is greatest.

    Of equal ones the largest, in steps of 1/10,000. At most one half, for what is likelier wrong than right is always told, and the
    best threshold for calibrated chances is half the best F1 (Lipton et al., "Optimal thresholding of classifiers to maximize F1
    measure", 2014). And above the share of wrong words, where that is less: of a detector that knows nothing F1 would
    have every word told.

    Args:
        chances: (W,) probabilities of being wrong.
        wrong: (W,) bool.
    """
    # as `platt` has it, whose answer this is for each word where the logits say nothing
    share = (wrong.sum() + 1) / (len(wrong) + 2)
    thresholds = _THRESHOLDS[np.searchsorted(_THRESHOLDS[:-1], share, side="right") :]
    told, right = (_above(each, thresholds) for each in (chances, chances[wrong]))
    f1 = 2 * right / np.maximum(told + wrong.sum(), 1)
    return float(thresholds[f1 == f1.max()][-1])


def _above(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many of the values are above each threshold."""
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="right")


def mixing_weight(cosines: np.ndarray, scores: np.ndarray, right: np.ndarray) -> float:
    """The alpha, 0 or more, for which cosine + alpha x score puts the right candidate first most often.

    Of equal ones 0, where it is among them, else the middle of the longest run: a few hundred held-out pictures leave a wide run,
    and a larger collection, whose candidates are harder to part, wants more than the least that was enough for these.

    Args:
        cosines: (Q, k).
        scores: (Q, k).
        right: (Q,) place of the right candidate, or -1 where it is not among them: no order helps.
    """
    first = np.array([(candidate_ranks(cosines + weight * scores, right) == 1).sum() for weight in _WEIGHTS.tolist()])
    best = np.flatnonzero(first == first.max())
    if best[0] == 0:
        return 0.0
    longest = max(np.split(best, np.flatnonzero(np.diff(best) > 1) + 1), key=len)
    return float(_WEIGHTS[longest[len(longest) // 2]])


def candidate_ranks(mixed: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Rank of the right candidate, 1 = first, ties counted against it; infinite where it is not among them.

    Args:
        mixed: (Q, k).
        right: (Q,) as in `mixing_weight`.
    """
    own = np.take_along_axis(mixed, np.maximum(right, 0)[:, None], axis=1)
    return np.where(right >= 0, (~(mixed < own)).sum(axis=1), np.inf)
