"""Loading of weights from untrusted HDF5 files."""

import math
import os
import warnings

import h5py
import keras

SUFFIXES = (".h5", ".hdf5")
# Maximum size in memory; the largest network here has 100 MB. A file of a few bytes can declare a
# dataset of any size.
LIMIT = 2**30


def load_weights(network: keras.Model, path: str | os.PathLike) -> None:
    """Loads all weights of a network from an HDF5 file.

    Other formats that Keras reads, such as archives and lists of further files, are rejected by
    their suffix.

    Args:
        network: a built network.
        path: HDF5 file of `network.save_weights` or of Keras 2.

    Raises:
        ValueError: the file does not contain exactly the weights of the network, or is unsafe.
    """
    if not os.fspath(path).endswith(SUFFIXES):
        raise ValueError(f"{path} does not end in {' or '.join(SUFFIXES)}")
    try:
        with h5py.File(path, "r") as file:
            _check(file)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            network.load_weights(path)
    except Exception as error:
        # Keras and h5py raise many types here, depending on how the file is damaged.
        raise ValueError(f"{path} does not hold the weights of this network") from error
    # Keras only warns about layers that are missing in the file, and leaves them random.
    if any("freshly-initialized" in str(warning.message) for warning in caught):
        raise ValueError(f"{path} lacks the weights of some layers")


def _check(file: h5py.File) -> None:
    """Raises `ValueError` if the file refers to other files or is larger than `LIMIT`."""
    total, groups, visited = 0, [file], set()
    while groups:
        group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in visited:  # hard links may be circular
            raise ValueError(f"{group.name} is linked twice")
        visited.add(address)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is a soft or external link")
            item = group[name]
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ValueError(f"{name} is stored in another file")
                total += math.prod(item.shape) * item.dtype.itemsize
        if total > LIMIT:
            raise ValueError(f"declares more than {LIMIT} bytes")
