"""The examples of README.md do what it says."""

import doctest
import pathlib

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_examples():
    result = doctest.testfile(str(README), module_relative=False)
    assert result.failed == 0
    assert result.attempted > 15
