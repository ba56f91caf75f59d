"""Packaging of rumi_tf; every requirement is bounded, tool settings live in pyproject.toml."""

from pathlib import Path

from setuptools import find_namespace_packages, setup

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
    version="0.1.0",
    description="Rumi-GAN and UAC-GAN in TensorFlow 2 / Keras: GANs for unbalanced image data",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10",
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
    },
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
