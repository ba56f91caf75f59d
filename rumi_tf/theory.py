"""Optimal densities of Rumi-GANs in closed form, for perfect discriminators and generators.

The functions take densities on a grid and return densities. They use NumPy and SciPy only, none of
the training code.

Except for integral probability metrics, the optimal generator density has the form

    p_g = max(0, s A - B),    s > 0 such that the integral is 1,

where the densities A and B depend on the objective. Where s A - B is positive everywhere, this is
the paper's formula. Elsewhere the constraint p_g >= 0 acts, contrary to the paper (Lemma 3.1,
Section 4), and the solution is not the formula clipped at 0 and rescaled.
docs/theory.md has the derivations.

Source: Asokan and Seelamantula, "Teaching a GAN What Not to Learn", NeurIPS 2020, Section 3.
"""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linprog
from scipy.sparse import diags_array, eye_array, hstack, vstack

MASS_TOLERANCE = 0.01
ROUNDING = 1e-9  # 0.8 - 1 is not -0.2 in binary


@dataclasses.dataclass(frozen=True)
class Optimum:
    """An equilibrium on a grid. Arrays have the shape of the input densities.

    Attributes:
        generator: p_g*, non-negative, integrates to 1.
        discriminator: D* at p_g*; NaN where its denominator is 0, because there is no mass or
            because a negative weight cancels p_g*.
        closed_form: the paper's formula, which may be negative.
        clamped: mask of the cells where p_g* is 0 because s A - B < 0.
        multiplier: Lagrange multiplier lambda of the integral constraint, see the functions; NaN
            if undefined.
    """

    generator: np.ndarray
    discriminator: np.ndarray
    closed_form: np.ndarray
    clamped: np.ndarray
    multiplier: float

    @property
    def is_clamped(self) -> bool:
        """True if the constraint p_g >= 0 acts anywhere."""
        return bool(self.clamped.any())


def rumi_sgan_optimum(
    positive: ArrayLike,
    negative: ArrayLike,
    cells: ArrayLike = 1.0,
    *,
    alpha_pos: float = 1.0,
    alpha_neg: float = 1.0,
) -> Optimum:
    """Optimum of Rumi-SGAN (Lemma 3.1) and of every Rumi f-GAN.

        D* = alpha+ p+ / (alpha+ p+ + p_g + alpha- p-)
        p_g* = max(0, s p+ - alpha- p-)

    with s = 1 + alpha- if p_g* is not clamped. The min-max and the non-saturating loss of G have
    the same optimum. For an f-GAN the discriminator is T* = f'(D* / (1 - D*)) instead; with
    reverse KL, p_g* is only a limit if alpha- p- > 0 somewhere where p+ = 0.

    `multiplier` is -log(1 - D*) on the support: the lemma's value, or larger if p_g* is clamped.

    Args:
        positive: density of the positives at the cells of a grid, any shape.
        negative: density of the negatives, the same shape.
        cells: volumes of the cells, a scalar or the same shape.
        alpha_pos: alpha+, in (0, 1]. The lemma admits 0, but D* is then 0 for every generator.
        alpha_neg: alpha-, at least alpha+ - 1.

    Raises:
        ValueError: parameters outside the lemma's range, or arrays that are not densities.
    """
    positive, negative, cells = _checked_densities(positive, negative, cells)
    _check_finite(alpha_pos=alpha_pos, alpha_neg=alpha_neg)
    if not 0 <= alpha_pos <= 1:
        raise ValueError(f"alpha_pos is {alpha_pos:g}; Lemma 3.1 needs 0 <= alpha_pos <= 1")
    if alpha_neg < alpha_pos - 1 - ROUNDING:
        raise ValueError(
            f"alpha_neg is {alpha_neg:g}; Lemma 3.1 needs alpha_neg >= alpha_pos - 1 = "
            f"{alpha_pos - 1:g}"
        )
    if alpha_pos == 0:
        raise ValueError(
            "alpha_pos is 0, where D* is 0 for every generator and no generator is optimal; "
            "needs alpha_pos > 0"
        )
    weighted_pos, weighted_neg = alpha_pos * positive, alpha_neg * negative
    scale = _normalising_scale(weighted_pos, weighted_neg, cells)
    clamped = scale * weighted_pos < weighted_neg
    # By cases: on the support p_g + alpha- p- is scale * alpha+ p+, without cancellation.
    discriminator = np.where((weighted_pos == 0) & ~clamped, np.nan, 1 / (1 + scale))
    discriminator[clamped] = (weighted_pos / (weighted_pos + weighted_neg + ~clamped))[clamped]
    return Optimum(
        generator=np.maximum(0.0, scale * weighted_pos - weighted_neg),
        discriminator=discriminator,
        closed_form=(1 + alpha_neg) * positive - weighted_neg,
        clamped=clamped,
        multiplier=float(np.log1p(1 / scale)),
    )


def rumi_lsgan_optimum(
    positive: ArrayLike,
    negative: ArrayLike,
    cells: ArrayLike = 1.0,
    *,
    label_b_neg: float = -1.0,
    label_a: float = 0.0,
    label_b_pos: float = 2.0,
    label_c: float = 1.5,
    beta_pos: float = 1.0,
    beta_neg: float = 1.0,
    plug_in: bool = False,
) -> Optimum:
    """Optimum of Rumi-LSGAN (Lemma 3.2). The default labels are the paper's.

        D* = a + Q / (S + p_g)
        Q = beta+ (b+ - a) p+ + beta- (b- - a) p-,    S = beta+ p+ + beta- p-
        p_g* = max(0, Q / nu - S),    nu = D* - a on the support

    with 1 / nu = (1 + beta+ + beta-) / (integral of Q) if p_g* is not clamped, which gives the
    paper's eta+ and eta-. Eq. 4 can be read in two ways, which differ where p_g* is clamped:

    - `plug_in=False`, as trained: G lowers (D*(x) - c)^2 with D held fixed. This needs D* <= c on
      the support, which holds if c >= b+.
    - `plug_in=True`: Eq. 4 is minimised in p_g with D* replaced by its formula. Then
      p_g* = max(0, |Q| / nu - S), which may put mass on the negatives.

    Args:
        positive: density of the positives at the cells of a grid, any shape.
        negative: density of the negatives, the same shape.
        cells: volumes of the cells, a scalar or the same shape.
        label_b_neg, label_a, label_b_pos, label_c: b- < b+, a <= (b+ + b-) / 2, c. The integral
            of Q must be positive too, which a = (b+ + b-) / 2 does not guarantee.
        beta_pos: beta+ > 0.
        beta_neg: beta- >= 0; at 0 the negatives and b- have no effect.
        plug_in: which of the two problems is solved.

    Returns:
        The optimum; `multiplier` is lambda in (G's loss) + lambda (integral of p_g - 1):
        -(D* - c)^2 on the support, or (D* - a)^2 - (a - c)^2 with `plug_in`.

    Raises:
        ValueError: parameters outside this range, or arrays that are not densities.
    """
    positive, negative, cells = _checked_densities(positive, negative, cells)
    _check_finite(
        label_b_neg=label_b_neg, label_a=label_a, label_b_pos=label_b_pos, label_c=label_c,
        beta_pos=beta_pos, beta_neg=beta_neg,
    )  # fmt: skip
    _check_lsgan(label_b_neg, label_a, label_b_pos, beta_pos, beta_neg)
    numerator = beta_pos * (label_b_pos - label_a) * positive  # Q
    numerator = numerator + beta_neg * (label_b_neg - label_a) * negative
    data = beta_pos * positive + beta_neg * negative  # S
    target = np.abs(numerator) if plug_in else np.maximum(numerator, 0.0)
    scale = _normalising_scale(target, data, cells)
    d_on_support = label_a + 1 / scale
    if not plug_in and d_on_support > label_c:
        raise ValueError(
            f"label_c is {label_c:g}; Lemma 3.2 is an equilibrium only if D* on the support of "
            f"p_g, here {d_on_support:g}, is at most label_c"
        )
    generator = np.maximum(0.0, scale * target - data)
    denominator = data + generator
    discriminator = np.full_like(data, np.nan)
    np.divide(numerator, denominator, out=discriminator, where=denominator > 0)
    discriminator += label_a
    total = np.sum(cells * numerator)
    return Optimum(
        generator=generator,
        discriminator=discriminator,
        closed_form=(1 + beta_pos + beta_neg) / total * numerator - data,
        clamped=scale * target < data,
        multiplier=float(
            (d_on_support - label_a) ** 2 - (label_a - label_c) ** 2
            if plug_in
            else -((d_on_support - label_c) ** 2)
        ),
    )


def rumi_ipm_optimum(
    positive: ArrayLike,
    negative: ArrayLike,
    cells: ArrayLike = 1.0,
    *,
    alpha_pos: float,
    alpha_neg: float,
    points: ArrayLike | None = None,
) -> Optimum:
    """Optimum of a Rumi-GAN with an integral probability metric, such as Rumi-WGAN.

        t = (alpha+ p+ - alpha- p-) / (alpha+ - alpha-)

    Where t >= 0 everywhere, p_g* = t for every metric, the value of the game is 0, every
    admissible D is optimal, and `discriminator` is the constant 0.

    Otherwise p_g* is the density nearest to t, which depends on the metric. Only the Wasserstein
    distance on a line is available: with `points`, p_g* is a minimiser of the integral of
    |F_t - F_g|, where F are the cumulative functions, found by linear programming.
    `discriminator` is a potential with slope sign(F_g - F_t) and value 0 at the first point.

    Args:
        positive: density of the positives at the cells of a grid, any shape.
        negative: density of the negatives, the same shape.
        cells: volumes of the cells, a scalar or the same shape.
        alpha_pos: alpha+ >= 0.
        alpha_neg: alpha- < alpha+.
        points: (n,) increasing coordinates of the cells, for densities on a line.

    Returns:
        The optimum; `multiplier` is NaN.

    Raises:
        ValueError: parameters outside this range; arrays that are not densities; or t is
            negative somewhere and there are no `points`.
    """
    positive, negative, cells = _checked_densities(positive, negative, cells)
    _check_finite(alpha_pos=alpha_pos, alpha_neg=alpha_neg)
    if alpha_pos < 0:
        raise ValueError(f"alpha_pos is {alpha_pos:g}; the IPM form needs alpha_pos >= 0")
    if alpha_neg >= alpha_pos:
        raise ValueError(
            f"alpha_neg is {alpha_neg:g}; the IPM form needs alpha_neg < alpha_pos = {alpha_pos:g}"
        )
    target = (alpha_pos * positive - alpha_neg * negative) / (alpha_pos - alpha_neg)
    generator, discriminator = np.maximum(target, 0.0), np.zeros_like(target)
    excess = np.sum(cells * generator) - 1
    if excess > 1e-12:
        if points is None:
            raise ValueError(
                f"(alpha+ p+ - alpha- p-) / (alpha+ - alpha-) has mass -{excess:.3g} below 0; the "
                "nearest density depends on the metric (set points for Wasserstein on a line)"
            )
        generator, discriminator = _nearest_on_line(target, cells, points)
    return Optimum(generator, discriminator, target, target < 0, float("nan"))


def _nearest_on_line(
    target: np.ndarray, cells: np.ndarray, points: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Density on a line with the smallest Wasserstein distance to `target`, and a potential."""
    points = np.asarray(points, float)
    if target.ndim != 1 or points.shape != target.shape or not (np.diff(points) > 0).all():
        raise ValueError("points must be increasing, one for each cell of densities on a line")
    gaps, target_cdf, n = np.diff(points), np.cumsum(cells * target)[:-1], len(points)
    # Variables: F_g at the first n - 1 points, within [0, 1] and increasing, then |F_t - F_g|.
    identity = eye_array(n - 1)
    increments = diags_array([1.0, -1.0], offsets=[0, 1], shape=(n - 2, n - 1))
    constraints = vstack(
        [
            hstack([identity, -identity]),
            hstack([-identity, -identity]),
            hstack([increments, 0 * increments]),
        ],
        format="csr",
    )
    limits = np.concatenate([target_cdf, -target_cdf, np.zeros(n - 2)])
    cost = np.concatenate([np.zeros(n - 1), gaps])
    bounds = [(0, 1)] * (n - 1) + [(0, None)] * (n - 1)
    result = linprog(cost, constraints, limits, bounds=bounds)
    if result.x is None:
        raise ValueError(f"the linear programme for the nearest density failed: {result.message}")
    cdf = np.concatenate([result.x[: n - 1], [1.0]])
    difference = cdf[:-1] - target_cdf
    slope = np.sign(difference) * (np.abs(difference) > 1e-9)
    potential = np.concatenate([[0.0], np.cumsum(slope * gaps)])
    return np.maximum(np.diff(cdf, prepend=0.0), 0.0) / cells, potential


def _normalising_scale(density: np.ndarray, offset: np.ndarray, cells: np.ndarray) -> float:
    """The s > 0 for which max(0, s density - offset) integrates to 1.

    The integral is increasing and piecewise linear in s, so the root is exact: cells are sorted by
    the s at which they start to contribute, and the contributing cells are counted.

    Args:
        density: non-negative, not zero everywhere.
        offset: any sign; its negative part integrates to less than 1.
        cells: volumes.
    """
    inside = density > 0
    remaining = 1 + np.sum((cells * np.minimum(offset, 0))[~inside])
    slopes, offsets = (cells * density)[inside], (cells * offset)[inside]
    with np.errstate(over="ignore"):
        starts = offsets / slopes
    order = np.argsort(starts, kind="stable")
    starts, slope, offset = starts[order], np.cumsum(slopes[order]), np.cumsum(offsets[order])
    count = np.count_nonzero(starts * slope - offset <= remaining)
    return float((remaining + offset[count - 1]) / slope[count - 1])


def _check_lsgan(b_neg: float, a: float, b_pos: float, beta_pos: float, beta_neg: float) -> None:
    if beta_pos <= 0:
        raise ValueError(f"beta_pos is {beta_pos:g}; Lemma 3.2 needs beta_pos > 0")
    if beta_neg < 0:
        raise ValueError(f"beta_neg is {beta_neg:g}; Lemma 3.2 needs beta_neg >= 0")
    if beta_neg == 0:  # LSGAN
        if b_pos <= a:
            raise ValueError(f"label_b_pos is {b_pos:g}; needs label_b_pos > label_a = {a:g}")
        return
    if b_pos <= b_neg:
        raise ValueError(
            f"label_b_pos is {b_pos:g}; Lemma 3.2 needs label_b_pos > label_b_neg = {b_neg:g}"
        )
    if a > (b_pos + b_neg) / 2 + ROUNDING:
        raise ValueError(
            f"label_a is {a:g}; Lemma 3.2 needs label_a <= (label_b_pos + label_b_neg) / 2 = "
            f"{(b_pos + b_neg) / 2:g}"
        )
    denominator = beta_pos * (a - b_pos) + beta_neg * (a - b_neg)
    if denominator >= -ROUNDING:
        raise ValueError(
            "the denominator of Lemma 3.2, beta_pos (label_a - label_b_pos) + beta_neg (label_a - "
            f"label_b_neg), is {denominator:g}; needs < 0"
        )


def _check_finite(**parameters: float) -> None:
    for name, value in parameters.items():
        if not np.isfinite(value):
            raise ValueError(f"{name} is {value}; needs a finite number")


def _checked_densities(
    positive: ArrayLike, negative: ArrayLike, cells: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Float64 arrays of equal shape; the densities are rescaled to integrate to 1 exactly."""
    positive, negative = np.asarray(positive, float), np.asarray(negative, float)
    if positive.shape != negative.shape:
        raise ValueError(f"densities have different shapes, {positive.shape} and {negative.shape}")
    try:
        cells = np.broadcast_to(np.asarray(cells, float), positive.shape)
    except ValueError:
        raise ValueError(f"cells do not fit densities of shape {positive.shape}") from None
    if not (np.isfinite(cells).all() and (cells > 0).all()):
        raise ValueError("cells must be positive, finite volumes")
    normalised = []
    for name, density in (("positive", positive), ("negative", negative)):
        if not (np.isfinite(density).all() and (density >= 0).all()):
            raise ValueError(f"{name} is not a density: it must be finite and non-negative")
        mass = np.sum(density * cells)
        if abs(mass - 1) > MASS_TOLERANCE:
            raise ValueError(
                f"{name} is not a density on this grid: its integral is {mass:.4g}, needs 1 "
                f"within {MASS_TOLERANCE:g}"
            )
        normalised.append(density / mass)
    return *normalised, cells
