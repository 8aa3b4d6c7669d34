"""How long each phoneme lasts: Piper's models compute it, and their files are made to tell it.

A model draws the frames of every phoneme id and rounds them up, with the one Ceil of its graph. Piper's own
package makes that node an output with the package `onnx` (piper/patch_voice_with_alignment.py); here it is
a few bytes behind the file's: what protobuf reads of a message a second time is merged with the first.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

Field: TypeAlias = tuple[int, int, int]
"""A field's number, and where its content begins and ends."""

GRAPH = 7
"""The field of onnx.proto's ModelProto, as the next ones are of GraphProto and of NodeProto."""
GRAPH_NODE, GRAPH_OUTPUT = 1, 12
NODE_OUTPUT, NODE_OPERATOR = 2, 4
OUTPUT_NAME = 1
VARINT, EIGHT_BYTES, CONTENT, FOUR_BYTES = 0, 1, 2, 5
"""Protobuf's wire types."""
ROUNDED_UP = b"Ceil"


def telling_durations(path: Path) -> bytes | None:
    """The model in the file, with the durations of its phonemes as second output.

    None where nothing can be added: it has other outputs than the audio, maybe these already; no node, or
    several, that could be it; or the file is no model at all, which whoever loads it will say.
    """
    with path.open("rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as model:
                name = _durations(model)
                return None if name is None else b"".join((model, _output(name)))
        except (ValueError, IndexError):  # an empty file; no protobuf; one that was cut off
            return None


def _durations(model: mmap.mmap) -> bytes | None:
    """The name of what the one Ceil gives."""
    found, outputs = [], 0
    for graph in _fields(model, 0, len(model), GRAPH):
        for field, start, end in _fields(model, *graph[1:], GRAPH_NODE, GRAPH_OUTPUT):
            outputs += field == GRAPH_OUTPUT
            if field == GRAPH_NODE and ROUNDED_UP in model[start:end]:
                found += _rounded_up(model[start:end])
    return found[0] if len(found) == 1 and outputs == 1 else None


def _rounded_up(node: bytes) -> list[bytes]:
    """The names of the node's outputs, none where it is another operator."""
    said = [(field, node[start:end]) for field, start, end in _fields(node, 0, len(node))]
    return [name for field, name in said if field == NODE_OUTPUT and (NODE_OPERATOR, ROUNDED_UP) in said]


def _fields(message: bytes | mmap.mmap, start: int, end: int, *wanted: int) -> Iterator[Field]:
    """The message's fields that have a content: those that are wanted, or all.

    Raises ValueError or IndexError where the bytes are no message.
    """
    place = start
    while place < end:
        key, place = _varint(message, place)
        field, kind = key >> 3, key & 7
        if kind == CONTENT:
            length, place = _varint(message, place)
            if place + length > end:
                raise ValueError(f"field {field} is longer than its message")
            if not wanted or field in wanted:
                yield field, place, place + length
            place += length
        elif kind == VARINT:
            _, place = _varint(message, place)
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            place += 8 if kind == EIGHT_BYTES else 4
        else:
            raise ValueError(f"there is no wire type {kind}")


def _varint(message: bytes | mmap.mmap, place: int) -> tuple[int, int]:
    """The number at this place, and where it ends."""
    number = shift = 0
    while (byte := message[place]) & 0x80:
        number |= (byte & 0x7F) << shift
        shift, place = shift + 7, place + 1
    return number | byte << shift, place + 1


def _output(name: bytes) -> bytes:
    """A graph with nothing but an output of that name; its type is inferred."""
    return _content(GRAPH, _content(GRAPH_OUTPUT, _content(OUTPUT_NAME, name)))


def _content(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | CONTENT]) + _as_varint(len(content)) + content


def _as_varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])
