"""Small data sets in TFDS's own on-disk form, which stand in for downloads."""

import numpy as np


def write_tfds(root, name, examples):
    """Writes a prepared data set in several shards.

    Args:
        root: what is to be --data_dir.
        name: of the data set in TFDS.
        examples: part, such as "train" -> its examples, by the data set's own features.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=str(root))
    builder.data_path.mkdir(parents=True)
    identity = tfds.core.DatasetIdentity.from_builder(builder)
    info = tfds.core.DatasetInfo(builder=identity, features=builder.info.features)
    writer = tfds.core.SequentialWriter(info, 7)
    writer.initialize_splits(list(examples))
    for part, members in examples.items():
        for example in members:
            writer.add_examples({part: [example]})
    writer.close_all()
    return root


def bars(count, size=28):
    """`count` examples of ten classes: class k is a bright row at a height of its own."""
    noise = np.random.default_rng(0)
    for number in range(count):
        image = noise.integers(0, 60, (size, size, 1), dtype=np.uint8)
        top = 2 + 2 * (number % 10)
        image[top : top + 4, 4:-4] = 255
        yield {"image": image, "label": number % 10}
