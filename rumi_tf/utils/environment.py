"""Records versions, commit and devices at each start of a run, in `environment.json`."""

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
    """Versions, commit and devices of this process."""
    packages = ("tensorflow", "keras", "numpy", "tensorflow-datasets")
    return {
        "rumi_tf": rumi_tf.__version__,
        "commit": _commit(),
        **{name: metadata.version(name) for name in packages},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        # Sums are split over threads, so rounding depends on their number.
        "threads": os.environ.get("TF_NUM_INTRAOP_THREADS") or str(os.cpu_count()),
        "devices": [
            tf.config.experimental.get_device_details(d).get("device_name", d.name)
            for d in tf.config.list_physical_devices()
        ],
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def record_environment(path: Path, replicas: int = 1) -> list[str]:
    """Appends this start to a run's environments.

    Args:
        path: environment.json.
        replicas: number of devices that share a batch.

    Returns:
        A line for every entry that differs from the previous start.
    """
    starts = read_starts(path)
    current = {**environment(), "replicas": replicas}
    changed = sorted(
        name
        for name, value in current.items()
        if starts and name != "started" and starts[-1].get(name, value) != value
    )
    write_json(path, {"starts": [*starts, current]})
    return [f"resumed with a different {name}" for name in changed]


def read_starts(path: Path) -> list[dict]:
    """Environments of all starts of a run; empty if the file cannot be read."""
    try:
        return [dict(start) for start in read_json(path)["starts"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _commit() -> str | None:
    """Git commit of the package's checkout; `None` if it is not in one."""
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
