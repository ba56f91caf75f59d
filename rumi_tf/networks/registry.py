"""Network classes by the value of --network."""

import keras

from rumi_tf.networks.conditional import ConditionalDiscriminator, ConditionalGenerator
from rumi_tf.networks.dcgan import Generator
from rumi_tf.networks.points import POINT_NETWORKS, PointDiscriminator, PointGenerator
from rumi_tf.networks.resnet import OneHotGenerator, ResNetDiscriminator

_CONDITIONAL = {
    "uac_resnet": (OneHotGenerator, ResNetDiscriminator),
    **dict.fromkeys(POINT_NETWORKS, (PointGenerator, PointDiscriminator)),
}


def conditional_pair(network: str) -> tuple[type[keras.Model], type[keras.Model]]:
    """Generator and discriminator classes of conditional objectives, for a value of --network."""
    return _CONDITIONAL.get(network, (ConditionalGenerator, ConditionalDiscriminator))


# All generators, whose names `rumi_tf` enters into Keras's registry.
GENERATORS = (Generator, ConditionalGenerator, *(pair[0] for pair in _CONDITIONAL.values()))
