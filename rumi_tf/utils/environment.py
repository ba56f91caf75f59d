"""What a run was computed with: versions, commit, device and processors, of each of its starts."""

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import tensorflow as tf

import rumi_tf
from rumi_tf.utils.io import read_json, write_json


def environment() -> dict:
    """Versions, commit and device, for `environment.json`."""
    packages = ("tensorflow", "keras", "numpy", "tensorflow-datasets")
    return {
        "rumi_tf": rumi_tf.__version__,
        "commit": _commit(),
        **{name: metadata.version(name) for name in packages},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        # Sums are split by threads, so another number of them rounds differently.
        "threads": os.environ.get("TF_NUM_INTRAOP_THREADS") or str(os.cpu_count()),
        "devices": [
            tf.config.experimental.get_device_details(d).get("device_name", d.name)
            for d in tf.config.list_physical_devices()
        ],
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def record_environment(path: Path, replicas: int = 1) -> list[str]:
    """Adds this start to the list of the run's environments; returns what a resumer should know.

    Args:
        path: of environment.json.
        replicas: devices that the run is divided over.
    """
    starts = read_starts(path)
    now = {**environment(), "replicas": replicas}
    changed = sorted(
        name
        for name, value in now.items()
        if starts and name != "started" and starts[-1].get(name, value) != value
    )
    write_json(path, {"starts": [*starts, now]})
    return [f"resumed with another {name} than before" for name in changed]


def read_starts(path: Path) -> list[dict]:
    """The environments of a run's starts; empty if they cannot be read."""
    try:
        return [dict(start) for start in read_json(path)["starts"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _commit() -> str | None:
    """The commit of the checkout this package lies in, if it lies in one."""
    root = Path(rumi_tf.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        out = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True,
            timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return out.stdout.strip()
