"""Mini-batch k-means for many clusterings of the same data.

scikit-learn's MiniBatchKMeans is what PRD was published with, and what this follows: greedy
k-means++ seeds, running means of centres, its batch size, stopping rule and renewal of rare
centres. At 2,048 dimensions it spends its time on float64 copies for the seeds and on gathering
batches; here everything is float32, and the rows are shuffled once for all clusterings, so that
a random batch is a window of consecutive rows, with no copy.
"""

import numpy as np
from scipy import sparse

BATCH = 1024
SEEDING = 3 * BATCH
PATIENCE = 10
MAX_EPOCHS = 100
# A centre with a smaller share of the most frequent one's samples is moved elsewhere.
RARE = 0.01


class Clustering:
    """Clusterings of one set of rows.

    Args:
        rows: (n, d) finite features.
        num_clusters: number of centres, at most the number of different rows.
        seed: fixes the result of `labels(run)` for every run.
    """

    def __init__(self, rows: np.ndarray, num_clusters: int, seed: int):
        self.num_clusters = num_clusters
        self.seed = seed
        self.count = len(rows)
        self.batch = min(BATCH, self.count)
        self.seeding = min(SEEDING, self.count)
        self.order = np.random.default_rng(seed).permutation(self.count)
        # The first rows follow the last ones again, so that every window is whole.
        wrapped = np.resize(self.order, self.count + self.seeding)
        # k-means ignores shift and scale; without them float32 keeps its digits and its range.
        centred = rows - rows.mean(axis=0, dtype=np.float64).astype(rows.dtype)
        centred /= max(-centred.min(), centred.max(), np.finfo(np.float32).tiny)
        self.rows = centred.astype(np.float32, copy=False)[wrapped]
        self.norms = np.einsum("ij,ij->i", self.rows, self.rows)

    def labels(self, run: int) -> np.ndarray:
        """(n,) cluster of each row, in the order in which the rows were given."""
        rng = np.random.default_rng([self.seed, run])
        centres = self._centres(rng)
        labels = np.empty(self.count, int)
        labels[self.order] = _scores(self.rows[: self.count], centres).argmin(axis=1)
        return labels

    def _centres(self, rng: np.random.Generator) -> np.ndarray:
        centres = self._seeds(rng)
        weights = np.zeros(self.num_clusters)
        smoothing = min(1.0, 2 * self.batch / (self.count + 1))
        average, lowest, waited = None, np.inf, 0
        for step in range(MAX_EPOCHS * self.count // self.batch):
            rows, norms = self._window(self.batch, rng)
            scores = _scores(rows, centres)
            nearest = scores.argmin(axis=1)
            inertia = float((norms + scores[np.arange(len(rows)), nearest]).mean())
            centres, weights = _moved(centres, weights, rows, nearest, rng)
            if step == 0:
                continue  # the inertia of seeds is not yet that of means
            average = inertia if average is None else average + smoothing * (inertia - average)
            lowest, waited = (average, 0) if average < lowest else (lowest, waited + 1)
            if waited >= PATIENCE:
                break
        return centres

    def _seeds(self, rng: np.random.Generator) -> np.ndarray:
        """Greedy k-means++ (Arthur and Vassilvitskii, SODA 2007): the best of a few candidates."""
        rows, norms = self._window(self.seeding, rng)
        candidates = 2 + int(np.log(self.num_clusters))
        chosen = [int(rng.integers(len(rows)))]
        nearest = _distances(rows, norms, rows[chosen])[:, 0]
        while len(chosen) < self.num_clusters:
            total = np.cumsum(nearest, dtype=np.float64)
            drawn = np.searchsorted(total, rng.random(candidates) * total[-1], side="right")
            drawn = np.minimum(drawn, len(rows) - 1)
            options = np.minimum(_distances(rows, norms, rows[drawn]), nearest[:, None])
            best = options.sum(axis=0).argmin()
            chosen.append(int(drawn[best]))
            nearest = options[:, best]
        return rows[chosen]

    def _window(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        start = int(rng.integers(self.count))
        return self.rows[start : start + size], self.norms[start : start + size]


def _scores(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(n, k) squared distances without the rows' own norms, which change no argmin."""
    return np.einsum("ij,ij->i", centres, centres) - 2 * (rows @ centres.T)


def _distances(rows: np.ndarray, norms: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.maximum(norms[:, None] + _scores(rows, centres), 0)


def _moved(
    centres: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    nearest: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Centres as means of all rows they were nearest to so far, and the numbers of these."""
    size = len(rows)
    member = sparse.csr_array(
        (np.ones(size, np.float32), (nearest, np.arange(size))), shape=(len(centres), size)
    )
    total = weights + np.bincount(nearest, minlength=len(centres))
    keep = np.where(total > 0, weights / np.maximum(total, 1), 1).astype(np.float32)
    share = (1 / np.maximum(total, 1)).astype(np.float32)
    centres = centres * keep[:, None] + (member @ rows) * share[:, None]
    rare = total < RARE * total.max()
    if rare.any():
        centres[rare] = rows[rng.integers(size, size=rare.sum())]
        total[rare] = total[~rare].min()
    return centres, total
