# SPDX-License-Identifier: Apache-2.0
"""Statements out of a bundle, `NAME.intoto.jsonl`, and who signed each.

A line is a bare Statement (unsigned), a DSSE envelope
(https://github.com/secure-systems-lab/dsse), or a Sigstore bundle that holds
one. Signatures are verified by securesystemslib, offline, with a given public
key; a certificate of Sigstore is not looked at here, `gh attestation verify`
and `cosign verify-blob-attestation` do that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from scripts.errors import Unusable

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Signed(Enum):
    """What is known of a statement's signature."""

    NOT = auto()
    """A bare statement: nobody signed it."""
    UNCHECKED = auto()
    """There are signatures, and no key was given to verify them with."""
    BY_KEY = auto()
    """The given key made one of them."""
    BY_OTHER = auto()
    """None of them is by the given key, or none is intact."""


@dataclass(frozen=True)
class Line:
    """One line of a bundle."""

    number: int
    """From 1."""
    statement: dict[str, Any] | None
    """None where it cannot be read."""
    signed: Signed
    damage: str | None = None
    """Why it cannot be read."""


def lines(path: Path, key: Path | None = None) -> list[Line]:
    """Every line of a bundle that is not empty.

    Args:
        path: The bundle.
        key: Public key, PEM: ECDSA P-256 (as cosign makes), P-384, Ed25519, RSA.

    Raises:
        Unusable: The bundle or the key cannot be read.
    """
    pem = _bytes(key) if key else None
    rows = _bytes(path).split(b"\n")
    return [_line(n, row, pem) for n, row in enumerate(rows, 1) if row.strip()]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise Unusable(
            "cannot read it",
            where=str(path),
            found=e.strerror,
            next="name a file that can be read",
        ) from e


def _line(number: int, row: bytes, pem: bytes | None) -> Line:
    try:
        value = json.loads(row)
        if not isinstance(value, dict):
            raise ValueError("no JSON object")
        inner = value.get("dsseEnvelope", value)
        if "payload" not in inner:
            return Line(number, value, Signed.NOT)
        statement, signed = _opened(inner, pem)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        return Line(number, None, Signed.NOT, f"{type(e).__name__}: {e}")
    return Line(number, statement, signed)


def _opened(value: dict[str, Any], pem: bytes | None) -> tuple[dict[str, Any], Signed]:
    from securesystemslib.dsse import Envelope

    for signature in value["signatures"]:
        signature.setdefault("keyid", "")  # DSSE: the hint may be left out
    envelope = Envelope.from_dict(value)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise ValueError(f"payload of type {envelope.payload_type!r}")
    statement = json.loads(envelope.payload)
    if not isinstance(statement, dict):
        raise ValueError("the payload is no JSON object")
    if not envelope.signatures:
        return statement, Signed.NOT
    if pem is None:
        return statement, Signed.UNCHECKED
    return statement, Signed.BY_KEY if _verified(envelope, pem) else Signed.BY_OTHER


def _verified(envelope: Any, pem: bytes) -> bool:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

    try:
        key = SSlibKey.from_crypto(load_pem_public_key(pem))
    except ValueError as e:
        raise Unusable(
            "the public key cannot be used",
            where="KEY",
            expected="a PEM public key: ECDSA, Ed25519 or RSA",
            found=str(e),
            next="make verify-wheel WHEEL=... KEY=cosign.pub, the signer's public key",
        ) from e
    for keyid, signature in envelope.signatures.items():
        # The id in an envelope is only a hint, and cosign leaves it empty.
        key.keyid = keyid
        try:
            key.verify_signature(signature, envelope.pae())
        except UnverifiedSignatureError:
            continue
        return True
    return False
