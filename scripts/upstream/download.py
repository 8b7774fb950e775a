# SPDX-License-Identifier: Apache-2.0
"""Bring one pinned file from the package index into the cache."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from scripts.base.console import note
from scripts.base.errors import Finding, Unusable
from scripts.base.files import digest, sync_dir
from scripts.upstream import cache, index
from scripts.upstream.lock import Artifact
from scripts.upstream.transfer import transfer


def download(artifact: Artifact, kept: Path) -> Path:
    """Find the artifact on the package index, bring it, check it, keep it.

    Args:
        artifact: File name, size and digest, as in the lock.
        kept: The cache's place for it; the caller holds the lock for it.

    Returns:
        `kept`, or the index's own file where that is a local one.

    Raises:
        Finding: The index has another file of that name; nothing is kept.
        Unusable: Index, server or disk fail; what came is resumed next time.
    """
    source = index.open_index()
    project = artifact.filename.split("-", 1)[0]
    offer = next(
        (o for o in source.offers(project) if o.filename == artifact.filename), None
    )
    if offer is None:
        raise Unusable(
            f"the package index has no {artifact.filename}",
            where=index.masked(source.url),
            next=index.ELSEWHERE,
        )
    if (offer.sha256 or artifact.sha256) != artifact.sha256:
        raise _wrong(offer, artifact, f"sha256 {offer.sha256}")
    if urlsplit(offer.url).scheme == "file":
        local = index.local_path(offer.url)
        cache.check(local, artifact)
        return local
    part = cache.cache_dir() / "parts" / artifact.sha256
    try:
        _complete(source, offer, part, artifact)
    except Finding:
        part.unlink(missing_ok=True)
        raise
    try:
        part.chmod(0o444)
        part.replace(kept)
        sync_dir(kept.parent)
    except OSError as e:
        raise cache.unwritable(kept, e) from e
    return kept


def _complete(
    source: index.Index, offer: index.Offer, part: Path, artifact: Artifact
) -> None:
    resumed = part.exists()
    while True:
        transfer(source.session, offer.url, part, artifact)
        found = digest(part)
        if found == artifact.sha256:
            return
        if not resumed:
            raise _wrong(offer, artifact, f"sha256 {found}")
        # The earlier run's bytes may be the bad ones: once more, from nothing.
        note(f"{artifact.filename}: the resumed transfer is wrong; starting over")
        part.unlink()
        resumed = False


def _wrong(offer: index.Offer, artifact: Artifact, found: str) -> Finding:
    return cache.wrong(index.masked(offer.url), artifact, found, index.ELSEWHERE)
