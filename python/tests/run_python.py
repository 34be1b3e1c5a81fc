"""How this Python was started, for tests that start another."""

import os
import pathlib
import sys


def python() -> list[str]:
    """The command line up to Python itself: by another loader than the system's where this one was."""
    mapped = {line.split()[-1] for line in pathlib.Path("/proc/self/maps").read_text().splitlines() if "/" in line}
    loader = next((path for path in mapped if os.path.basename(path).startswith("ld-linux")), None)
    own = os.path.realpath("/proc/self/exe")
    if loader is None or os.path.realpath(loader) != own:
        return [sys.executable]
    return [own, "--library-path", os.path.dirname(own), "--argv0", sys.executable, sys.executable]
