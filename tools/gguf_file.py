"""GGUF files, read without trusting them: needs Python's own library alone.

A file holds, little-endian: "GGUF", a version, the number of tensors and of metadata;
the metadata, each a key, a type and a value; each tensor's name, dimensions, type and
offset; and, from the next multiple of the alignment on, the tensors' data.

The package gguf has a reader too. It believes what a file says of itself: an array of
2^60 bytes takes all memory, what lies beyond the end is empty, tensors may overlap.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Entry = TypeVar("Entry")


class UserError(Exception):
    """What the user can mend, in one sentence."""


def check_output(output: Path, read: Iterable[Path]) -> None:
    """Refuse a file to write that is one of those that are read, or has no folder.

    To be called before anything is read: later would be after minutes of work.
    """
    for path in read:
        if output.exists() and path.exists() and output.samefile(path):
            raise UserError(f"--output is {output}, which is read; accepted: another file")
    if not output.parent.is_dir():
        raise UserError(f"there is no folder {output.parent}")


# Of metadata, by their numbers in files: name and format of the module struct.
SCALARS = {
    0: ("UINT8", "B"),
    1: ("INT8", "b"),
    2: ("UINT16", "H"),
    3: ("INT16", "h"),
    4: ("UINT32", "I"),
    5: ("INT32", "i"),
    6: ("FLOAT32", "f"),
    7: ("BOOL", "B"),
    10: ("UINT64", "Q"),
    11: ("INT64", "q"),
    12: ("FLOAT64", "d"),
}
STRING = 8
ARRAY = 9

WHOLE = ("UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "UINT64", "INT64")
NUMBER = (*WHOLE, "FLOAT32", "FLOAT64")

# Of tensors that can be turned into float32: name, elements and bytes of a block.
TENSOR_TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
}

VERSIONS = (2, 3)
MOST_DIMENSIONS = 4
MOST_ELEMENTS = 2**63 - 1
DEFAULT_ALIGNMENT = 32
# Bytes before the tensors' data: what a file of any size may make a reader keep. Those of
# 300 000 tokens with their merges are 12 MB.
MOST_HEADER_BYTES = 2**26
# The least that one takes: lengths, types and offsets without their names.
FIELD_BYTES = 8 + 4 + 1
TENSOR_BYTES = 8 + 4 + 8 + 4 + 8


def shown(value: Any) -> str:
    """A value from a file, safe to print: short, and on one line."""
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            start = value[:20].hex(" ")
            return f"the bytes {start}{' ...' if len(value) > 20 else ''}"
    if isinstance(value, str):
        return ascii(value) if len(value) <= 60 else ascii(value[:60]) + "..."
    return str(value)


@dataclass(frozen=True)
class Field:
    """A value of the metadata; strings are bytes, for only those read must be text."""

    kind: str  # the format's name, as "UINT32" or "an array of STRING"
    value: Any

    def __str__(self) -> str:
        if isinstance(self.value, tuple):
            return self.kind.replace("array of", f"array of {len(self.value)}")
        return f"{shown(self.value)} ({self.kind})"


@dataclass(frozen=True)
class TensorInfo:
    kind: str
    shape: tuple[int, ...]  # rows first, as numpy has it; GGUF has it the other way
    row_bytes: int
    begin: int  # of its bytes in the file
    end: int


class Header:
    """The bytes of a file, taken one after the other; what they are for is named."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.at = 0

    def rest(self) -> int:
        return min(len(self.data), MOST_HEADER_BYTES) - self.at

    def take(self, count: int, what: str) -> bytes:
        if count > len(self.data) - self.at:
            raise UserError(
                f"{what} takes {count} bytes from byte {self.at} on, but the file "
                f"ends at {len(self.data)}: it is truncated or damaged"
            )
        if count > self.rest():
            raise UserError(
                f"{what} takes {count} bytes from byte {self.at} on; accepted: a "
                f"header of {MOST_HEADER_BYTES} bytes in all"
            )
        self.at += count
        return self.data[self.at - count : self.at]

    def numbers(self, letter: str, count: int, what: str) -> tuple[Any, ...]:
        size = struct.calcsize("<" + letter)
        return struct.unpack(f"<{count}{letter}", self.take(count * size, what))

    def number(self, letter: str, what: str) -> int:
        return self.numbers(letter, 1, what)[0]

    def string(self, what: str) -> bytes:
        return self.take(self.number("Q", f"the length of {what}"), what)

    def name(self, what: str) -> str:
        encoded = self.string(what)
        try:
            return encoded.decode("utf-8")
        except UnicodeDecodeError:
            raise UserError(f"{what} is {shown(encoded)}; accepted: UTF-8") from None

    def count(self, least_bytes: int, what: str) -> int:
        """How many follow, of things that take so many bytes at least."""
        count = self.number("Q", what)
        most = self.rest() // least_bytes
        if count > most:
            room = f"the file of {len(self.data)} bytes"
            if len(self.data) > MOST_HEADER_BYTES:
                room = f"a header of {MOST_HEADER_BYTES} bytes in all"
            raise UserError(
                f"{what} is {count}; accepted: 0 to {most}, for which {room} has room"
            )
        return count


def scalars_from(header: Header, kind: int, count: int, what: str) -> tuple[Any, ...]:
    if kind not in SCALARS:
        raise UserError(f"{what} has the type {kind}; accepted: 0 to 12")
    name, letter = SCALARS[kind]
    values = header.numbers(letter, count, what)
    if name != "BOOL":
        return values
    for value in values:
        if value > 1:
            raise UserError(f"{what} is {value} (BOOL); accepted: 0 or 1")
    return tuple(map(bool, values))


def array_from(header: Header, key: str) -> Field:
    kind = header.number("I", f"the type of {key}'s elements")
    if kind == ARRAY:
        raise UserError(f"{key} is an array of arrays; accepted: numbers or strings")
    what = f"the number of {key}'s elements"
    if kind == STRING:
        count = header.count(8, what)
        strings = tuple(header.string(f"{key}[{i}]") for i in range(count))
        return Field("an array of STRING", strings)
    values = scalars_from(header, kind, header.count(1, what), key)
    return Field(f"an array of {SCALARS[kind][0]}", values)


def field_from(header: Header, key: str) -> Field:
    kind = header.number("I", f"the type of {key}")
    if kind == ARRAY:
        return array_from(header, key)
    if kind == STRING:
        return Field("STRING", header.string(key))
    (value,) = scalars_from(header, kind, 1, key)
    return Field(SCALARS[kind][0], value)


def by_name(
    header: Header, count: int, kind: str, word: str, read: Callable[[Header, str], Entry]
) -> dict[str, Entry]:
    """Read entries of one kind, each there once, by their names, which `word` calls what they are."""
    entries: dict[str, Entry] = {}
    for index in range(count):
        name = header.name(f"the {word} of {kind} {index}")
        entry = read(header, f"{kind} {shown(name)}")
        if name in entries:
            raise UserError(f"{kind} {shown(name)} is there twice; accepted: once")
        entries[name] = entry
    return entries


def tensor_from(header: Header, what: str) -> TensorInfo:
    """Read what the header says of a tensor, whose offset is one in the data yet."""
    rank = header.number("I", f"the number of dimensions of {what}")
    if not 1 <= rank <= MOST_DIMENSIONS:
        raise UserError(f"{what} has {rank} dimensions; accepted: 1 to 4")
    sizes = header.numbers("Q", rank, f"the dimensions of {what}")
    if min(sizes) < 1 or math.prod(sizes) > MOST_ELEMENTS:
        raise UserError(
            f"{what} has the dimensions {list(sizes)}; accepted: positive ones of "
            "fewer than 2^63 elements in all"
        )
    number = header.number("I", f"the type of {what}")
    if number not in TENSOR_TYPES:
        known = ", ".join(f"{n} ({t[0]})" for n, t in TENSOR_TYPES.items())
        raise UserError(f"{what} has the type {number}; accepted: {known}")
    kind, elements, size = TENSOR_TYPES[number]
    if sizes[0] % elements != 0:
        raise UserError(
            f"{what} has rows of {sizes[0]} elements in {kind}; accepted: a multiple "
            f"of {elements}"
        )
    row_bytes = sizes[0] // elements * size
    begin = header.number("Q", f"the offset of {what}")
    end = begin + row_bytes * math.prod(sizes[1:])
    return TensorInfo(kind, sizes[::-1], row_bytes, begin, end)


def alignment_from(fields: dict[str, Field]) -> int:
    field = fields.get("general.alignment", Field("UINT32", DEFAULT_ALIGNMENT))
    power_of_two = field.kind == "UINT32" and field.value.bit_count() == 1
    if not power_of_two:
        raise UserError(
            f"general.alignment is {field}; accepted: a power of two (UINT32)"
        )
    return field.value


def placed(
    tensors: dict[str, TensorInfo], start: int, alignment: int, size: int
) -> dict[str, TensorInfo]:
    """Put tensors where their data is, each of them into bytes of its own."""
    result: dict[str, TensorInfo] = {}
    last, end = "", 0
    for name, info in sorted(tensors.items(), key=lambda item: item[1].begin):
        what = f"tensor {shown(name)}"
        if info.begin % alignment != 0:
            raise UserError(
                f"{what} has the offset {info.begin}; accepted: a multiple of "
                f"{alignment}, the alignment"
            )
        if start + info.end > size:
            raise UserError(
                f"{what} is bytes {info.begin} to {info.end} of the data; accepted: "
                f"up to {max(0, size - start)}, where the file ends"
            )
        if info.begin < end:
            raise UserError(
                f"{what} begins at byte {info.begin} of the data, within tensor "
                f"{shown(last)}; accepted: from its end on, {end}"
            )
        last, end = name, info.end
        result[name] = TensorInfo(
            info.kind, info.shape, info.row_bytes, start + info.begin, start + info.end
        )
    return result


def parse(data: Any) -> tuple[dict[str, Field], dict[str, TensorInfo]]:
    """Read a whole header; its tensors lie in the file, apart from each other."""
    header = Header(data)
    if data[:4] != b"GGUF":
        raise UserError(
            f"not a GGUF file: it begins with {data[:4].hex(' ') or 'nothing'}"
        )
    header.at = 4
    version = header.number("I", "the version")
    if version not in VERSIONS:
        raise UserError(f"the version is {version}; accepted: 2 and 3, little-endian")
    tensor_count = header.count(TENSOR_BYTES, "the number of tensors")
    field_count = header.count(FIELD_BYTES, "the number of metadata")
    fields = by_name(header, field_count, "metadata", "key", field_from)
    tensors = by_name(header, tensor_count, "tensor", "name", tensor_from)
    alignment = alignment_from(fields)
    start = header.at + -header.at % alignment
    return fields, placed(tensors, start, alignment, len(data))


class GgufFile:
    """Metadata and tensors of a file; what is read of them is checked on the way.

    Errors: UserError, one sentence that names the file, the key or tensor, what it is
    and what is accepted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._data = self._contents()
            self.fields, self.tensors = parse(self._data)
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from error
        except UserError as error:
            raise self.error(str(error)) from None

    def _contents(self) -> Any:
        # A pipe or a device could block or never end.
        if self.path.exists() and not self.path.is_file():
            raise UserError("not a regular file")
        with self.path.open("rb") as file:
            if file.seek(0, 2) == 0:
                return b""
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def error(self, sentence: str) -> UserError:
        return UserError(f"{self.path}: {sentence}")

    def data_of(self, name: str) -> bytes:
        info = self.tensors[name]
        return self._data[info.begin : info.end]

    # --- Metadata. Without a default, the key must be there. -------------------------

    def refused(self, key: str, accepted: str) -> UserError:
        return self.error(f"{key} is {self.fields[key]}; accepted: {accepted}")

    def whole(self, key: str, least: int, most: int, default: int | None = None) -> int:
        accepted = f"a whole number from {least} to {most}"
        value = self._value(key, WHOLE, accepted, default)
        if not least <= value <= most:
            raise self.refused(key, accepted)
        return value

    def positive(self, key: str, default: float | None = None) -> float:
        # Within what float32 can hold, so that nothing made of it is 0 or infinite.
        accepted = "a number from 1e-30 to 1e30"
        value = float(self._value(key, NUMBER, accepted, default))
        if not 1e-30 <= value <= 1e30:
            raise self.refused(key, accepted)
        return value

    def flag(self, key: str, default: bool) -> bool:
        return self._value(key, ("BOOL",), "a BOOL", default)

    def text(
        self, key: str, default: str | None = None, among: Collection[str] = ()
    ) -> str:
        accepted = " or ".join(among) or "a STRING in UTF-8"
        value = self._value(key, ("STRING",), accepted, default)
        try:
            text = value.decode("utf-8") if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            raise self.refused(key, accepted) from None
        if among and text not in among:
            raise self.refused(key, accepted)
        return text

    def texts(self, key: str) -> list[str]:
        texts = []
        for index, value in enumerate(self._array(key, ("STRING",), None)):
            try:
                texts.append(value.decode("utf-8"))
            except UnicodeDecodeError:
                raise self.error(
                    f"{key}[{index}] is {shown(value)}; accepted: UTF-8"
                ) from None
        return texts

    def numbers(self, key: str, count: int) -> list[float]:
        values = self._array(key, NUMBER, count)
        return self._within(key, values, -math.inf, math.inf, "a finite number")

    def wholes(self, key: str, count: int, least: int, most: int) -> list[int]:
        values = self._array(key, WHOLE, count)
        return self._within(key, values, least - 1, most + 1, f"{least} to {most}")

    def _within(
        self, key: str, values: Any, above: float, below: float, accepted: str
    ) -> list[Any]:
        for index, value in enumerate(values):
            if not above < value < below:  # so that NaN is refused
                raise self.error(f"{key}[{index}] is {value}; accepted: {accepted}")
        return list(values)

    def _array(self, key: str, kinds: Collection[str], count: int | None) -> Any:
        size = "at least 1" if count is None else str(count)
        accepted = f"an array of {size} {'numbers' if len(kinds) > 1 else 'STRING'}"
        values = self._value(key, [f"an array of {k}" for k in kinds], accepted, None)
        if not values or count not in (None, len(values)):
            raise self.refused(key, accepted)
        return values

    def _value(
        self, key: str, kinds: Collection[str], accepted: str, default: Any
    ) -> Any:
        if key not in self.fields:
            if default is None:
                raise self.error(f"{key} is missing; accepted: {accepted}")
            return default
        if self.fields[key].kind not in kinds:
            raise self.refused(key, accepted)
        return self.fields[key].value
