"""Mini-batch k-means, optimised for many clusterings of the same data.

Follows scikit-learn's MiniBatchKMeans, which PRD was published with: greedy k-means++ seeds,
running means as centres, batch size, stopping rule and reassignment of rare centres. At 2,048
dimensions scikit-learn spends most time on float64 copies for seeding and on gathering batches.
Here all arrays are float32, and rows are shuffled once for all clusterings, so that a random batch
is a window of consecutive rows and needs no copy.
"""

import numpy as np
from scipy import sparse

BATCH = 1024
SEEDING = 3 * BATCH
PATIENCE = 10
MAX_EPOCHS = 100
# Centres with a smaller share of the most frequent centre's samples are reassigned.
RARE = 0.01


class Clustering:
    """Repeated clusterings of one set of rows.

    Args:
        rows: (n, d) finite features.
        num_clusters: number of centres, at most the number of distinct rows.
        seed: seed of all runs.
    """

    def __init__(self, rows: np.ndarray, num_clusters: int, seed: int):
        self.num_clusters = num_clusters
        self.seed = seed
        self.count = len(rows)
        self.batch = min(BATCH, self.count)
        self.seeding = min(SEEDING, self.count)
        self.order = np.random.default_rng(seed).permutation(self.count)
        # Repeating the first rows at the end makes every window full length.
        wrapped = np.resize(self.order, self.count + self.seeding)
        # k-means is invariant to shift and scale; normalising preserves float32 precision.
        centred = rows - rows.mean(axis=0, dtype=np.float64).astype(rows.dtype)
        centred /= max(-centred.min(), centred.max(), np.finfo(np.float32).tiny)
        self.rows = centred.astype(np.float32, copy=False)[wrapped]
        self.norms = np.einsum("ij,ij->i", self.rows, self.rows)

    def labels(self, run: int) -> np.ndarray:
        """Cluster of each row, (n,), in the original order."""
        rng = np.random.default_rng([self.seed, run])
        centres = self._centres(rng)
        labels = np.empty(self.count, int)
        labels[self.order] = _scores(self.rows[: self.count], centres).argmin(axis=1)
        return labels

    def _centres(self, rng: np.random.Generator) -> np.ndarray:
        centres = self._seeds(rng)
        weights = np.zeros(self.num_clusters)
        smoothing = min(1.0, 2 * self.batch / (self.count + 1))
        average, lowest, steps_since_lowest = None, np.inf, 0
        for step in range(MAX_EPOCHS * self.count // self.batch):
            rows, norms = self._window(self.batch, rng)
            scores = _scores(rows, centres)
            nearest = scores.argmin(axis=1)
            inertia = float((norms + scores[np.arange(len(rows)), nearest]).mean())
            centres, weights = _update(centres, weights, rows, nearest, rng)
            if step == 0:
                continue  # the centres were seeds, not means
            average = inertia if average is None else average + smoothing * (inertia - average)
            if average < lowest:
                lowest, steps_since_lowest = average, 0
            else:
                steps_since_lowest += 1
            if steps_since_lowest >= PATIENCE:
                break
        return centres

    def _seeds(self, rng: np.random.Generator) -> np.ndarray:
        """Greedy k-means++ (Arthur and Vassilvitskii, SODA 2007): best of a few candidates."""
        rows, norms = self._window(self.seeding, rng)
        candidates = 2 + int(np.log(self.num_clusters))
        seeds = [int(rng.integers(len(rows)))]
        nearest = _distances(rows, norms, rows[seeds])[:, 0]
        while len(seeds) < self.num_clusters:
            total = np.cumsum(nearest, dtype=np.float64)
            drawn = np.searchsorted(total, rng.random(candidates) * total[-1], side="right")
            drawn = np.minimum(drawn, len(rows) - 1)
            options = np.minimum(_distances(rows, norms, rows[drawn]), nearest[:, None])
            best = options.sum(axis=0).argmin()
            seeds.append(int(drawn[best]))
            nearest = options[:, best]
        return rows[seeds]

    def _window(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        start = int(rng.integers(self.count))
        return self.rows[start : start + size], self.norms[start : start + size]


def _scores(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared distances (n, k) without the norms of the rows, which do not affect the argmin."""
    return np.einsum("ij,ij->i", centres, centres) - 2 * (rows @ centres.T)


def _distances(rows: np.ndarray, norms: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.maximum(norms[:, None] + _scores(rows, centres), 0)


def _update(
    centres: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    nearest: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Updates centres to the means of all rows assigned to them so far, and counts those rows."""
    size = len(rows)
    member = sparse.csr_array(
        (np.ones(size, np.float32), (nearest, np.arange(size))), shape=(len(centres), size)
    )
    total = weights + np.bincount(nearest, minlength=len(centres))
    decay = np.where(total > 0, weights / np.maximum(total, 1), 1).astype(np.float32)
    rate = (1 / np.maximum(total, 1)).astype(np.float32)
    centres = centres * decay[:, None] + (member @ rows) * rate[:, None]
    rare = total < RARE * total.max()
    if rare.any():
        centres[rare] = rows[rng.integers(size, size=rare.sum())]
        total[rare] = total[~rare].min()
    return centres, total
