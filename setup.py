"""Packaging of rumi_tf; every requirement is bounded, tool settings live in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_namespace_packages, setup

HERE = Path(__file__).parent
SOURCE = (HERE / "rumi_tf" / "__init__.py").read_text(encoding="utf-8")
# The commands are installed inside the package, where `rumi_tf.utils.paths` finds them.
COMMANDS = {
    f"rumi_tf._commands.{name.replace('/', '.')}": name
    for name in (
        "reproduce", "reproduce/_benchmarks", "reproduce/_report", "reproduce/paper_values",
        "figures", "flags",
    )
}  # fmt: skip

setup(
    name="rumi_tf",
    version=re.findall(r'^__version__ = "(.+)"$', SOURCE, re.MULTILINE)[0],
    description="Rumi-GAN and UAC-GAN in TensorFlow 2 / Keras: GANs for unbalanced image data",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10,<3.14",  # TensorFlow has no wheels for 3.14
    packages=[*find_namespace_packages(include=["rumi_tf", "rumi_tf.*"]), *COMMANDS],
    package_dir=COMMANDS,
    package_data={
        "rumi_tf._commands.flags": ["*.flags", "*/*.flags"],
        "rumi_tf._commands.reproduce._report": ["templates/*"],
        "rumi_tf._commands.reproduce.paper_values": ["*.csv"],
    },
    entry_points={"console_scripts": ["rumi = rumi_tf.utils.rumi:main"]},
    install_requires=[
        "absl-py>=2.1,<3",
        # Locks with a heartbeat. From 4.2.1 on it needs a rename that NFS lacks.
        "filelock>=4.1,<4.2.1",
        "h5py>=3.11,<4",
        "importlib_resources>=6,<8",  # tensorflow-datasets 4.9 imports it without declaring it
        "jinja2>=3.1.4,<4",
        "keras>=3.11,<4",
        "markupsafe>=2.1,<4",
        "matplotlib>=3.8,<4",
        "numpy>=1.26,<3",
        "pillow>=10.3,<14",
        "scikit-learn>=1.4,<2",
        "scipy>=1.12,<2",
        "tensorboard>=2.20,<2.22",
        "tensorflow>=2.20,<2.22",
        "tensorflow-datasets>=4.9.9,<5",
        "threadpoolctl>=3.1,<4",
        "tqdm>=4.66,<5",
        "wrapt>=1.14,<3",
    ],
    extras_require={
        "dev": [
            "hypothesis>=6.100,<7",
            "imbalanced-learn>=0.12,<1",
            "mypy>=1.13,<3",
            "pytest>=8,<10",
            "pytest-xdist>=3.5,<4",
            "ruff>=0.8,<1",
            "selenium>=4.20,<5",
        ],
        # `make docs`
        "docs": [
            "griffelib>=2,<3",
            "mkdocs>=1.6,<2",
            "mkdocs-material>=9.6,<10",
            "mkdocstrings>=1,<2",
            "mkdocstrings-python>=2,<3",
            "pymdown-extensions>=10.14,<14",
            "ruff>=0.8,<1",  # formats signatures
        ],
        # `make test-matrix`
        "matrix": [
            "nox>=2025.11.12,<2027",
            "uv>=0.9,<1",
        ],
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
