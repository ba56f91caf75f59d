"""Location of the commands, their flagfiles and the papers' values.

In a checkout they are the directories reproduce/, figures/ and flags/ next to the package. In an
installed package they are in rumi_tf/_commands (see setup.py); site-packages gets only rumi_tf.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "_commands"
COMMANDS = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
FLAGFILES = COMMANDS / "flags"
PAPER_VALUES = COMMANDS / "reproduce" / "paper_values"
