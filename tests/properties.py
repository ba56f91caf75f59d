"""Property-based tests with few examples in `make test` and many when marked exhaustive."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
JSON_TEXT = st.one_of(JSON.map(json.dumps), st.text(), st.just("[" * 100_000))


def holds(few: int = 25, many: int = 2000, **strategies):
    """Turns a function into a test of `few` examples and an exhaustive test of `many`.

    Every run tests the same examples.
    """

    def decorate(check):
        count = pytest.param(many, marks=pytest.mark.exhaustive)

        @pytest.mark.parametrize("examples", [few, count])
        def test(examples):
            settings(
                max_examples=examples, deadline=None, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck),
            )(given(**strategies)(check))()  # fmt: skip

        test.__name__ = check.__name__
        return test

    return decorate
