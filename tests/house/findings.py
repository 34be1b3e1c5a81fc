"""What the checks of this folder find."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    place: str  # file:line
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: [{self.rule}] {self.text}"
