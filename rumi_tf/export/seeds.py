"""Seeds of requested images, as people type them."""

import re

from rumi_tf.utils.errors import InvalidInput

IMAGES_LIMIT = 10**6
SEED_LIMIT = 2**31 - 1


def parse_seeds(text: str) -> list[int]:
    """Seeds of --seeds: numbers and ranges, both ends included, separated by commas.

    Raises:
        InvalidInput: the text is not of this form, or it has a seed twice or too many seeds.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,10})\s*(?:-\s*(\d{1,10})\s*)?", part, re.ASCII)
        if not match:
            raise InvalidInput("seeds", f"is {text!r}; use numbers and ranges, such as 0-63 or 3,8")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise InvalidInput("seeds", f"{part.strip()!r} must be in ascending order")
        if last > SEED_LIMIT:
            raise InvalidInput("seeds", f"{last} exceeds {SEED_LIMIT}")
        if len(seeds) + last - first >= IMAGES_LIMIT:
            raise InvalidInput("seeds", f"lists more than {IMAGES_LIMIT:,} seeds")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        raise InvalidInput("seeds", "contains a seed twice")
    return seeds


def parse_ends(text: str) -> tuple[int, int]:
    """The two seeds of --interpolate, separated by a comma.

    Raises:
        InvalidInput: the text is not of this form.
    """
    match = re.fullmatch(r"\s*(\d{1,10})\s*,\s*(\d{1,10})\s*", text, re.ASCII)
    if not match or max(int(match[1]), int(match[2])) > SEED_LIMIT:
        raise InvalidInput("interpolate", f"is {text!r}; use two seeds, such as 3,8")
    return int(match[1]), int(match[2])
