"""Writes ONNX files: the few messages of its protobuf schema that a small model needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

FLOAT, INT64 = 1, 7
ELEMENT_TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64}
IR_VERSION, OPSET = 8, 15
Shape = Sequence[int | str]
"""Numbers, and names for what is only known when it runs."""


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def field(number: int, value: int | str | bytes) -> bytes:
    """One field of a message: a number, or a text or a message within it with its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def fields(number: int, values: Sequence[int | str | bytes]) -> bytes:
    return b"".join(field(number, value) for value in values)


def tensor(name: str, array: np.ndarray) -> bytes:
    kind = ELEMENT_TYPES[array.dtype]
    return fields(1, array.shape) + field(2, kind) + field(8, name) + field(9, array.tobytes())


def tensor_elsewhere(name: str, shape: Sequence[int], file: str) -> bytes:
    """Floats that are in a file beside the model's."""
    location = field(1, "location") + field(2, file)
    return fields(1, shape) + field(2, FLOAT) + field(8, name) + field(13, location) + field(14, 1)


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], **integers: int | list[int]) -> bytes:
    """An operator with attributes that are integers or lists of them."""
    attributes = [attribute(name, value) for name, value in integers.items()]
    return fields(1, inputs) + fields(2, outputs) + field(4, operator) + fields(5, attributes)


def attribute(name: str, value: int | list[int]) -> bytes:
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    return field(1, name) + fields(8, value) + field(20, 7)


def value(name: str, kind: int, shape: Shape) -> bytes:
    """An input or an output."""
    dimensions = [field(1 if isinstance(size, int) else 2, size) for size in shape]
    tensor_type = field(1, kind) + field(2, fields(1, dimensions))
    return field(1, name) + field(2, field(1, tensor_type))


def model(
    nodes: Sequence[bytes],
    constants: Mapping[str, np.ndarray],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    elsewhere: Sequence[bytes] = (),
) -> bytes:
    initializers = [*(tensor(name, array) for name, array in constants.items()), *elsewhere]
    graph = (
        fields(1, nodes)
        + field(2, "tiny")
        + fields(5, initializers)
        + fields(11, inputs)
        + fields(12, outputs)
    )
    return field(1, IR_VERSION) + field(7, graph) + field(8, field(1, "") + field(2, OPSET))
