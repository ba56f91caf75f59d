"""What a Rumi-GAN learns if both players are perfect: optimal densities in closed form.

Densities on a grid in, densities out; NumPy and SciPy, and nothing of the training code.

All forms but the last share one shape. D's best answer to a generator density p_g is found point by
point, and a generator that is at rest sees the same D*(x) wherever it has mass, and no better D*(x)
elsewhere. With p_g >= 0 and integral 1 these conditions (Karush, Kuhn and Tucker's) say

    p_g = max(0, s A - B),    s > 0 such that the integral is 1,

for densities A and B that depend on the form. The integral grows with s, so s is unique. Where
s A - B is positive everywhere, this is the paper's formula. Elsewhere the paper's statement that
the multiplier mu* of p_g >= 0 is zero, and that the constraint is met automatically (Lemma 3.1,
Section 4), does not hold; and since s shrinks when the negative part is cut off, the solution is
*not* the formula clipped and divided by its integral.

A consequence: if positives and negatives do not overlap, p_g* is the density of the positives for
every admissible alpha- >= 0, and as trained for every Rumi-LSGAN with b- <= a.

A generator trained by gradients feels the slope of D only. So it may also rest where D* is
constant on each island of a support that has several, but differs between them; that is no
equilibrium in the sense used here.

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
    """An equilibrium on a grid. Arrays have the shape of the densities that were given.

    Attributes:
        generator: p_g*, non-negative, integrates to 1.
        discriminator: D* at p_g*; NaN where it has no weight: without mass, or where the terms
            of a negative weight and of p_g* cancel.
        closed_form: the paper's formula, which may be negative.
        clamped: where p_g* is 0 because the solution would otherwise be negative.
        multiplier: the multiplier lambda of the integral constraint, see the function; NaN where
            none is defined.
    """

    generator: np.ndarray
    discriminator: np.ndarray
    closed_form: np.ndarray
    clamped: np.ndarray
    multiplier: float

    @property
    def is_clamped(self) -> bool:
        """Whether the constraint p_g >= 0 acts anywhere."""
        return bool(self.clamped.any())


def rumi_sgan_optimum(
    positive: ArrayLike,
    negative: ArrayLike,
    cells: ArrayLike = 1.0,
    *,
    alpha_pos: float = 1.0,
    alpha_neg: float = 1.0,
) -> Optimum:
    """Optimum of Rumi-SGAN (Lemma 3.1), and of every Rumi f-GAN.

    D* = alpha+ p+ / (alpha+ p+ + p_g + alpha- p-), and p_g* = max(0, s p+ - alpha- p-); unless
    the maximum acts, s = 1 + alpha-.

    *Derivation.* Write A = alpha+ p+, B = p_g + alpha- p-. With D* plugged in, G minimises the
    integral of A log(A / (A + B)) + B log(B / (A + B)), whose derivative in p_g is
    log(1 - D*) = log(B / (A + B)): one value, -lambda, where p_g > 0, and no smaller one
    elsewhere. So B = s' A on the support and alpha- p- >= s' A off it. The multiplier of Eq. 2 is
    lambda = -log(1 - D*) on the support, as printed in the lemma unless the maximum acts; then it
    is larger, and mu* is not 0.

    *Non-saturating loss.* The generator that is trained minimises -E_g log D. At rest
    -log D*(x) is constant on the support and no smaller elsewhere, which are the same conditions:
    the same p_g*. (With D at its best it descends KL(A + B || A) instead, also convex in p_g.)

    *f-GANs.* For D's loss -E_+ alpha+ T + E_g f*(T) + alpha- E_- f*(T), G minimises the integral
    of B f(A / B); the derivative f(u) - u f'(u) at u = A / B decreases strictly in u for every
    strictly convex f, so the conditions on B / A, and p_g*, are the same, clamped or not. Only D
    differs: T* = f'(D* / (1 - D*)). With reverse KL the value of the game is infinite, whatever
    p_g is, if alpha- p- > 0 somewhere where p+ = 0; p_g* is then a limit.

    *The lemma's range.* With alpha- < 0 the loss of D has no minimum unless p_g >= -alpha- p-,
    which p_g* fulfils. alpha+ = 0 is admitted by the lemma, and Section 3.3 says that p- is then
    learnt; in fact D* = 0 there whatever p_g is, so that nothing is determined (but for
    alpha- = -1, the one point where p_g = p- is forced). The derivation needs only alpha+ > 0
    and alpha- > -1; the lemma's stricter bounds mean D* <= 1/2 on the support.

    Args:
        positive: density of the positives at the cells of a grid, any shape.
        negative: density of the negatives, the same shape.
        cells: volumes of the cells, a scalar or the same shape.
        alpha_pos: alpha+, in (0, 1].
        alpha_neg: alpha-, at least alpha+ - 1.

    Raises:
        ValueError: parameters outside of the lemma's range, or arrays that are not densities.
    """
    positive, negative, cells = _densities(positive, negative, cells)
    _finite(alpha_pos=alpha_pos, alpha_neg=alpha_neg)
    if not 0 <= alpha_pos <= 1:
        raise ValueError(f"alpha_pos is {alpha_pos:g}; Lemma 3.1 needs 0 <= alpha_pos <= 1")
    if alpha_neg < alpha_pos - 1 - ROUNDING:
        raise ValueError(
            f"alpha_neg is {alpha_neg:g}; Lemma 3.1 needs alpha_neg >= alpha_pos - 1 = "
            f"{alpha_pos - 1:g}"
        )
    if alpha_pos == 0:
        raise ValueError(
            "alpha_pos is 0; Lemma 3.1 admits it, but D* is 0 for every generator, and none is "
            "optimal: needs alpha_pos > 0"
        )
    wanted, avoided = alpha_pos * positive, alpha_neg * negative
    scale = _level(wanted, avoided, cells)
    clamped = scale * wanted < avoided
    # By cases, because scale * wanted is what is left of p_g + alpha- p- after cancellation.
    discriminator = np.where((wanted == 0) & ~clamped, np.nan, 1 / (1 + scale))
    discriminator[clamped] = (wanted / (wanted + avoided + ~clamped))[clamped]
    return Optimum(
        generator=np.maximum(0.0, scale * wanted - avoided),
        discriminator=discriminator,
        closed_form=(1 + alpha_neg) * positive - avoided,
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

    D* = a + Q / (S + p_g) with Q = beta+ (b+ - a) p+ + beta- (b- - a) p- and
    S = beta+ p+ + beta- p-. If no constraint acts, p_g* = Q / nu - S with nu = D* - a on the
    support; 1 / nu = (1 + beta+ + beta-) / (integral of Q) gives the printed eta+ and eta-.

    *Two problems, one formula.* The paper's proof is in a supplement; Eq. 4 can be read in two
    ways, and where Q / nu - S is nowhere negative both have that solution, without c:

    - `plug_in=False`, what is trained. G lowers (D*(x) - c)^2 with D held fixed. At rest it is
      constant on the support and no smaller elsewhere: p_g* = max(0, Q / nu - S). This
      needs D* <= c on the support, so that "larger D" is "better"; with c >= b+ it always holds.
      So c drops out of the formula, yet not of the conditions.
    - `plug_in=True`, Eq. 4 minimised in p_g with D* replaced by its formula. Up to constants that
      is the convex integral of Q^2 / (S + p_g), with derivative -(D* - a)^2; so
      p_g* = max(0, |Q| / nu - S). A region that D* puts *below* a by more than nu is as good as
      one above: mass goes to the negatives where a - b- > nu. With the paper's labels and
      overlapping classes it does. A least-squares distance to a cannot tell the two sides apart;
      the trained generator can.

    *The special case* of Section 3.3, beta+ = (a - b-) / (b- - b+) gives p_g* = p+. With the
    paper's own labels (-1, 0, 2) it is -1/3, not a weight: it needs a < b-. More generally the
    weight of p- in p_g*, beta- ((b- - a) / nu - 1), is negative whenever b- <= a. So no label
    b- <= a gives a mixture, and p_g* = p+ for separate classes is the clamp's work.

    *The lemma's range.* a <= (b+ + b-) / 2 does not make the formula's denominator
    -integral of Q negative, which is needed as well: at a = (b+ + b-) / 2 with beta+ = beta-,
    admitted in print, it is 0.

    Args:
        positive: density of the positives at the cells of a grid, any shape.
        negative: density of the negatives, the same shape.
        cells: volumes of the cells, a scalar or the same shape.
        label_b_neg, label_a, label_b_pos, label_c: b- < b+, a <= (b+ + b-) / 2, c.
        beta_pos: beta+ > 0.
        beta_neg: beta- >= 0; at 0 the negatives, and b-, play no part.
        plug_in: which of the two problems.

    Returns:
        The optimum; `multiplier` is lambda in (G's loss) + lambda (integral of p_g - 1):
        -(D* - c)^2 on the support, or (D* - a)^2 - (a - c)^2 with `plug_in`.

    Raises:
        ValueError: parameters outside of the range, or arrays that are not densities.
    """
    positive, negative, cells = _densities(positive, negative, cells)
    _finite(
        label_b_neg=label_b_neg, label_a=label_a, label_b_pos=label_b_pos, label_c=label_c,
        beta_pos=beta_pos, beta_neg=beta_neg,
    )  # fmt: skip
    _check_least_squares(label_b_neg, label_a, label_b_pos, beta_pos, beta_neg)
    pull = beta_pos * (label_b_pos - label_a) * positive
    pull = pull + beta_neg * (label_b_neg - label_a) * negative
    seen = beta_pos * positive + beta_neg * negative
    wanted = np.abs(pull) if plug_in else np.maximum(pull, 0.0)
    scale = _level(wanted, seen, cells)
    level = label_a + 1 / scale
    if not plug_in and level > label_c:
        raise ValueError(
            f"label_c is {label_c:g}; the formula of Lemma 3.2 is where G rests only if D* on its "
            f"support, here {level:g}, is at most label_c"
        )
    generator = np.maximum(0.0, scale * wanted - seen)
    everywhere = seen + generator
    discriminator = np.full_like(seen, np.nan)
    np.divide(pull, everywhere, out=discriminator, where=everywhere > 0)
    discriminator += label_a
    total = np.sum(cells * pull)
    return Optimum(
        generator=generator,
        discriminator=discriminator,
        closed_form=(1 + beta_pos + beta_neg) / total * pull - seen,
        clamped=scale * wanted < seen,
        multiplier=float(
            (level - label_a) ** 2 - (label_a - label_c) ** 2
            if plug_in
            else -((level - label_c) ** 2)
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

    D maximises alpha+ (E_+ D - E_g D) - alpha- (E_- D - E_g D) over a class that holds -D with D.
    The best value is (alpha+ - alpha-) times the metric's distance from p_g to
    t = (alpha+ p+ - alpha- p-) / (alpha+ - alpha-), which integrates to 1. (The paper defers this
    form to its supplement; derived here.)

    *Where t >= 0*, p_g* = t for every metric, the value is 0, and every D that is admitted is
    optimal: `discriminator` is the constant 0, one of them.

    *Where t is negative somewhere*, p_g* is the density nearest to t, and "nearest" is the
    metric's. Total variation does not determine it: every density below the positive part of t
    is equally near. Only Wasserstein's distance on a line is offered: with `points`, p_g*
    minimises the integral of |F_t - F_g|, the cumulative functions (one of the minimisers, should
    there be several), by a linear programme. If the classes do not overlap, p_g* is then not p+
    but p+ without its part next to the negatives, other than with an f-divergence.
    `discriminator` is a potential with slope sign(F_g - F_t), with value 0 at the first point
    (where F_g = F_t any slope in [-1, 1] may be optimal; 0 is used).

    Args:
        positive: density of the positives at the cells of a grid, any shape.
        negative: density of the negatives, the same shape.
        cells: volumes of the cells, a scalar or the same shape.
        alpha_pos: alpha+ >= 0.
        alpha_neg: alpha- < alpha+.
        points: (n,) increasing places of the cells, for densities on a line.

    Returns:
        The optimum; `multiplier` is NaN.

    Raises:
        ValueError: parameters outside of the range; arrays that are not densities; or t is
            negative somewhere and `points` is not given.
    """
    positive, negative, cells = _densities(positive, negative, cells)
    _finite(alpha_pos=alpha_pos, alpha_neg=alpha_neg)
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
                "nearest density depends on the metric (points gives Wasserstein's on a line)"
            )
        generator, discriminator = _nearest_on_line(target, cells, points)
    return Optimum(generator, discriminator, target, target < 0, float("nan"))


def _nearest_on_line(
    target: np.ndarray, cells: np.ndarray, points: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    points = np.asarray(points, float)
    if target.ndim != 1 or points.shape != target.shape or not (np.diff(points) > 0).all():
        raise ValueError("points must be increasing, one for each cell of densities on a line")
    gaps, wanted, n = np.diff(points), np.cumsum(cells * target)[:-1], len(points)
    # Variables: F_g at the first n - 1 points, within [0, 1] and increasing, then |F_t - F_g|.
    one = eye_array(n - 1)
    rising = diags_array([1.0, -1.0], offsets=[0, 1], shape=(n - 2, n - 1))
    upper = vstack(
        [hstack([one, -one]), hstack([-one, -one]), hstack([rising, 0 * rising])], format="csr"
    )
    limits = np.concatenate([wanted, -wanted, np.zeros(n - 2)])
    cost = np.concatenate([np.zeros(n - 1), gaps])
    solved = linprog(cost, upper, limits, bounds=[(0, 1)] * (n - 1) + [(0, None)] * (n - 1))
    if solved.x is None:
        raise ValueError(f"the nearest density was not found: {solved.message}")
    reached = np.concatenate([solved.x[: n - 1], [1.0]])
    difference = reached[:-1] - wanted
    slope = np.sign(difference) * (np.abs(difference) > 1e-9)
    potential = np.concatenate([[0.0], np.cumsum(slope * gaps)])
    return np.maximum(np.diff(reached, prepend=0.0), 0.0) / cells, potential


def _level(wanted: np.ndarray, offset: np.ndarray, cells: np.ndarray) -> float:
    """The s > 0 at which max(0, s wanted - offset) integrates to 1.

    The integral is increasing and piecewise linear in s, so the root is exact: sort the cells by
    where they begin to contribute, and find how many do.

    Args:
        wanted: non-negative, not zero everywhere. offset: any sign; its negative part integrates to
            less than 1. cells: volumes.
    """
    inside = wanted > 0
    remaining = 1 + np.sum((cells * np.minimum(offset, 0))[~inside])
    slopes, offsets = (cells * wanted)[inside], (cells * offset)[inside]
    with np.errstate(over="ignore"):
        begins = offsets / slopes
    order = np.argsort(begins, kind="stable")
    begins, slope, offset = begins[order], np.cumsum(slopes[order]), np.cumsum(offsets[order])
    count = np.count_nonzero(begins * slope - offset <= remaining)
    return float((remaining + offset[count - 1]) / slope[count - 1])


def _check_least_squares(
    b_neg: float, a: float, b_pos: float, beta_pos: float, beta_neg: float
) -> None:
    if beta_pos <= 0:
        raise ValueError(f"beta_pos is {beta_pos:g}; Lemma 3.2 needs beta_pos > 0")
    if beta_neg < 0:
        raise ValueError(f"beta_neg is {beta_neg:g}; Lemma 3.2 needs beta_neg >= 0")
    if beta_neg == 0:  # the base loss
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


def _finite(**parameters: float) -> None:
    for name, value in parameters.items():
        if not np.isfinite(value):
            raise ValueError(f"{name} is {value}; needs a finite number")


def _densities(
    positive: ArrayLike, negative: ArrayLike, cells: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Float64 arrays of one shape; the densities rescaled to integrate to 1 exactly."""
    positive, negative = np.asarray(positive, float), np.asarray(negative, float)
    if positive.shape != negative.shape:
        raise ValueError(f"the densities have shapes {positive.shape} and {negative.shape}")
    try:
        cells = np.broadcast_to(np.asarray(cells, float), positive.shape)
    except ValueError:
        raise ValueError(f"cells do not fit densities of shape {positive.shape}") from None
    if not (np.isfinite(cells).all() and (cells > 0).all()):
        raise ValueError("cells must have positive volumes")
    scaled = []
    for name, density in (("positive", positive), ("negative", negative)):
        if not (np.isfinite(density).all() and (density >= 0).all()):
            raise ValueError(f"{name} is not a density: it must be finite and not negative")
        mass = np.sum(density * cells)
        if abs(mass - 1) > MASS_TOLERANCE:
            raise ValueError(
                f"{name} is not a density on this grid: its integral is {mass:.4g}, needs 1 "
                f"within {MASS_TOLERANCE:g}"
            )
        scaled.append(density / mass)
    return *scaled, cells
