"""Rumi-GAN and UAC-GAN for unbalanced image data, in TensorFlow 2 / Keras.

Importing this package loads neither TensorFlow nor matplotlib; its modules load what they need.
"""

__version__ = "0.1.0"
