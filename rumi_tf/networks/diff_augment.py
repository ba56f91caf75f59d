"""Differentiable augmentation of the images that D sees (DiffAugment, Zhao et al., NeurIPS 2020).

D memorises a small training set. Random transformations of all images that D sees make this harder.
Generated images are transformed like real ones, so G need not learn the transformations. The
transformations are differentiable, so G gets its gradient through them.

Differences from the published code (github.com/mit-han-lab/data-efficient-gans): `flip` is added;
the order is fixed; the largest shift is rounded down (3 pixels of 28 instead of 4); pixels are
filled with `fill` instead of 0; gradient penalties use the transformed instead of the untransformed
images.
"""

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf

# (count, stream) -> (B, count) uniform numbers in [0, 1), one row per image.
Draw = Callable[[int, str], tf.Tensor]


def flip(images: tf.Tensor, draw: Draw, fill: float) -> tf.Tensor:
    """Mirrors each image left to right with probability 1/2.

    G may then generate mirror images, because D cannot tell them apart.
    """
    del fill
    mirrored = draw(1, "flip") < 0.5
    return tf.where(mirrored[:, :, None, None], tf.reverse(images, axis=[2]), images)


def color(images: tf.Tensor, draw: Draw, fill: float) -> tf.Tensor:
    """Changes brightness, saturation and contrast by the amounts of Zhao et al.

    Brightness adds U(-0.5, 0.5). Saturation scales the distance from the pixel's mean over
    channels by U(0, 2). Contrast scales the distance from the image's mean by U(0.5, 1.5). Values
    are not clipped. Saturation leaves greyscale images unchanged.
    """
    del fill
    amounts = draw(3, "color")[:, :, None, None, None]
    images += amounts[:, 0] - 0.5
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + (images - grey) * 2.0 * amounts[:, 1]
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * (0.5 + amounts[:, 2])


def translation(images: tf.Tensor, draw: Draw, fill: float) -> tf.Tensor:
    """Shifts each image by at most floor(side / 8) whole pixels in each direction.

    Pixels from outside the image have the value `fill`.
    """
    uniforms = draw(2, "translation")
    for axis, number in ((1, uniforms[:, :1]), (2, uniforms[:, 1:])):
        side = images.shape[axis]
        max_shift = side // 8
        shift = tf.cast(tf.floor(number * (2 * max_shift + 1)), tf.int32) - max_shift
        source = tf.range(side) - shift  # (B, side): index of the source row or column
        inside = (source >= 0) & (source < side)
        inside = inside[:, :, None, None] if axis == 1 else inside[:, None, :, None]
        source = tf.clip_by_value(source, 0, side - 1)
        images = tf.where(inside, tf.gather(images, source, axis=axis, batch_dims=1), fill)
    return images


def cutout(images: tf.Tensor, draw: Draw, fill: float) -> tf.Tensor:
    """Sets a square of half the image's side to `fill`.

    Its centre is uniform over the image, so part of the square may lie outside.
    """
    centres = draw(2, "cutout")

    def covered(side: int, number: tf.Tensor) -> tf.Tensor:
        """(B, side) mask of the rows or columns that the square covers."""
        length = side // 2
        first = tf.cast(tf.floor(number * (side + 1 - length % 2)), tf.int32) - length // 2
        offsets = tf.range(side) - first
        return (offsets >= 0) & (offsets < length)

    rows = covered(images.shape[1], centres[:, :1])[:, :, None, None]
    columns = covered(images.shape[2], centres[:, 1:])[:, None, :, None]
    return tf.where(rows & columns, fill, images)


# In order of application. Filling comes last, so that `color` does not change the fill value.
AUGMENTATIONS: dict[str, Callable[[tf.Tensor, Draw, float], tf.Tensor]] = {
    "flip": flip,
    "color": color,
    "translation": translation,
    "cutout": cutout,
}


@dataclasses.dataclass(frozen=True)
class DiffAugment:
    """A set of augmentations.

    Attributes:
        names: keys of `AUGMENTATIONS`; the order has no effect.
        fill: value of pixels that `translation` and `cutout` replace, in [-1, 1].
    """

    names: Sequence[str]
    fill: float

    def __call__(self, images: tf.Tensor, draw: Draw) -> tf.Tensor:
        """Augments (B, H, W, C) images, each with one row of `draw`."""
        for name, augment in AUGMENTATIONS.items():
            if name in self.names:
                images = augment(images, draw, self.fill)
        return images
