"""The examples of python/README.md do what it says."""

import doctest
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.host
def test_examples():
    result = doctest.testfile(str(ROOT / "python/README.md"), module_relative=False)
    assert result.failed == 0
    assert result.attempted > 15
