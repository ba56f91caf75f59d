"""Weights of a network from an HDF5 file that others may have made."""

import math
import os
import warnings

import h5py
import keras

SUFFIXES = (".h5", ".hdf5")
# In memory; the largest network here has 100 MB. A file of a few bytes can announce any number.
LIMIT = 2**30


def load_weights(network: keras.Model, path: str | os.PathLike) -> None:
    """Loads all weights of a network.

    Keras reads other formats as well, archives and lists of further files among them; those are
    refused by their suffix, before Keras sees them.

    Args:
        network: built.
        path: of an HDF5 file, as `network.save_weights` writes it or Keras 2 did.

    Raises:
        ValueError: it is not a file of just these weights.
    """
    if not os.fspath(path).endswith(SUFFIXES):
        raise ValueError(f"{path} does not end in {' or '.join(SUFFIXES)}")
    try:
        with h5py.File(path, "r") as file:
            _check(file)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            network.load_weights(path)
    except Exception as error:
        # Keras and h5py raise a dozen different types here, by which byte is wrong.
        raise ValueError(f"{path} does not hold the weights of this network") from error
    # Keras only warns of layers that a file lacks, and leaves them random.
    if any("freshly-initialized" in str(warning.message) for warning in said):
        raise ValueError(f"{path} lacks the weights of some layers")


def _check(file: h5py.File) -> None:
    """Raises `ValueError` if reading the file would read others, or more than `LIMIT`."""
    total, groups, seen = 0, [file], set()
    while groups:
        group = groups.pop()
        place = h5py.h5o.get_info(group.id).addr
        if place in seen:  # hard links may lead round in circles
            raise ValueError(f"{group.name} is linked to twice")
        seen.add(place)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is a link to another place")
            found = group[name]
            if isinstance(found, h5py.Group):
                groups.append(found)
            elif isinstance(found, h5py.Dataset):
                if found.external or found.is_virtual:
                    raise ValueError(f"{name} lies in another file")
                total += math.prod(found.shape) * found.dtype.itemsize
        if total > LIMIT:
            raise ValueError(f"announces more than {LIMIT} bytes")
