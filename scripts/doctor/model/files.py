# SPDX-License-Identifier: Apache-2.0
"""Read a checkpoint's JSON files and safetensors headers, and trust none of them.

The header's form is that of the safetensors format: eight bytes with its length, little
endian, then a JSON object that has dtype, shape and data_offsets of each tensor. The
tensors behind it are never read.
"""

from __future__ import annotations

import codecs
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from scripts.base.errors import Finding

JSON_LIMIT = 256 << 20
"""Bytes; the index of a model with 400 experts a layer has some 30 MB."""
HEADER_LIMIT = 100_000_000
"""Bytes; what the safetensors library takes at most."""
_COUNT = 8
_DIMENSIONS = 8
_LARGEST = 1 << 48
"""No size or offset of a real file is larger."""
BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
}
"""Of the format's data types."""
_HEADERS = "download the file again; or give only its first bytes: the header"

_MARK = "save the file again as UTF-8 without a byte order mark (BOM)"


class Tensor(NamedTuple):
    """What a header says of one tensor; there are hundreds of thousands."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * BITS[self.dtype] // 8


@dataclass(frozen=True)
class Header:
    """The tensors of one file, and whether their bytes are there."""

    tensors: Mapping[str, Tensor]
    expected: int
    """Bytes that the whole file has to have."""
    found: int
    alone: bool
    """Whether the file ends where its header does."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        Finding: There is none, or more than `JSON_LIMIT` bytes.
    """
    try:
        size = _size(path)
        if size > JSON_LIMIT:
            raise _broken(path, f"a JSON object of at most {JSON_LIMIT:,} bytes", size)
        data = path.read_bytes()
    except OSError as e:
        raise _broken(path, "a file that can be read", e.strerror) from e
    return _object(path, data, "the file again, whole")


def read_header(path: Path) -> Header:
    """The header of a safetensors file, and nothing behind it.

    Raises:
        Finding: It is none, or contradicts itself.
    """
    try:
        size = _size(path)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_COUNT), "little")
            if size < _COUNT + 2 or not 2 <= length <= HEADER_LIMIT:
                found = f"{length:,} bytes of it, in a file of {size:,}"
                most = f"a header of 2 to {HEADER_LIMIT:,} bytes"
                raise _broken(path, most, found, _HEADERS)
            data = file.read(length)
    except OSError as e:
        raise _broken(path, "a file that can be read", e.strerror) from e
    if len(data) < length:
        found = f"{len(data):,}: the file ends inside its header"
        raise _broken(path, f"{length:,} bytes of header", found, _HEADERS)
    entries = _object(path, data, "a safetensors file")
    entries.pop("__metadata__", None)
    tensors, spans = {}, []
    for name, entry in entries.items():
        tensors[name], span = _tensor(path, name, entry)
        spans.append((*span, name))
    end = 0
    for begin, after, name in sorted(spans):
        if begin != end:
            what = "overlap" if begin < end else "leave a gap"
            found = f"{name} begins at {begin:,}: tensors {what}"
            raise _broken(path, f"a tensor that begins at {end:,}", found, _HEADERS)
        end = after
    whole = _COUNT + length + end
    return Header(tensors, whole, size, size == _COUNT + length < whole)


def _size(path: Path) -> int:
    """Bytes of a regular file; to open another, as a FIFO, may wait for ever."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        kind = stat.filemode(found.st_mode)[0]
        what = {"d": "a folder", "p": "a FIFO", "s": "a socket"}.get(kind, "a device")
        raise _broken(path, "a regular file", what)
    return found.st_size


def _tensor(path: Path, name: str, entry: Any) -> tuple[Tensor, tuple[int, int]]:
    def wrong(expected: str, found: str) -> Finding:
        return _broken(f"{path}: {name}", expected, found, _HEADERS)

    fields = entry if isinstance(entry, dict) else {}
    dtype = fields.get("dtype")
    if not isinstance(dtype, str) or dtype not in BITS:
        expected = "a dtype of safetensors, as BF16, U8, F8_E4M3"
        raise wrong(expected, repr(dtype)[:80])
    shape = _numbers(fields.get("shape"))
    if shape is None or len(shape) > _DIMENSIONS:
        raise wrong("a shape of whole numbers", repr(fields.get("shape")))
    tensor = Tensor(dtype, shape)
    offsets = _numbers(fields.get("data_offsets"))
    if offsets is None or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise wrong("two data_offsets", repr(fields.get("data_offsets")))
    begin, end = offsets
    if end - begin != tensor.nbytes:
        expected = f"{tensor.nbytes:,} bytes, by dtype {dtype} and shape {list(shape)}"
        raise wrong(expected, f"{end - begin:,}")
    return tensor, (begin, end)


def _numbers(value: Any) -> tuple[int, ...] | None:
    if not isinstance(value, list):
        return None
    for each in value:
        if type(each) is not int or not 0 <= each < _LARGEST:
            return None
    return tuple(value)


def _object(path: Path, data: bytes, again: str) -> dict[str, Any]:
    if data.startswith(codecs.BOM_UTF8):
        without = "JSON in UTF-8 without a byte order mark, as vLLM reads it"
        raise _broken(path, without, "one in its first three bytes", _MARK)
    try:
        found = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as e:
        what = f"byte {data[e.start]:#04x} at {e.start:,}, which is no UTF-8"
        raise _broken(path, "JSON in UTF-8", what, again) from e
    except json.JSONDecodeError as e:
        what = f"line {e.lineno}, column {e.colno}: {e.msg}"
        raise _broken(path, "JSON in UTF-8", what, again) from e
    except RecursionError as e:
        what = "lists or objects nested too deep"
        raise _broken(path, "JSON in UTF-8", what, again) from e
    except ValueError as e:
        what = "a number of too many digits"
        raise _broken(path, "JSON in UTF-8", what, again) from e
    if not isinstance(found, dict):
        raise _broken(path, "a JSON object", type(found).__name__, again)
    return found


def _broken(
    where: Path | str, expected: str, found: object, again: str = ""
) -> Finding:
    return Finding(
        "a file of the checkpoint cannot be used",
        where=str(where),
        expected=expected,
        found=str(found)[:200],
        next=again or "download it again: make doctor MODEL=folder reads no others",
    )
