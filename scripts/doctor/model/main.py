# SPDX-License-Identifier: Apache-2.0
"""`make doctor MODEL=`: read the checkpoint, assess it, and say so."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from scripts.base.errors import Finding, Unusable
from scripts.doctor import facts as facts_of
from scripts.doctor.facts import Facts
from scripts.doctor.model import asked as asking
from scripts.doctor.model import assess, checkpoint, gpus, recipes, serve
from scripts.doctor.model.gpus import Gpu
from scripts.doctor.model.known import Known, know
from scripts.doctor.model.nearest import nearest
from scripts.doctor.model.render import FORMATS, render
from scripts.doctor.model.told import Answer
from scripts.doctor.remark import Level, Remark
from scripts.selection import main as selection

KV = ("auto", "fp8", "nvfp4")
_MOST = 1024


@dataclass(frozen=True)
class Given:
    """What was given on the command line."""

    folder: Path
    python: str = "python3"
    gpu: str | None = None
    count: int | None = None
    ranks: int | None = None
    context: int | None = None
    seqs: int | None = None
    tokens: int | None = None
    kv: str = "auto"
    recipe: str | None = None
    form: str = "text"
    capability: str | None = None

    @property
    def quoted(self) -> str:
        """The folder, as a shell takes it."""
        return shlex.quote(str(self.folder))


def diagnose(given: Given) -> tuple[str, bool]:
    """What to print, and whether all is well.

    Raises:
        ForkError: The call or the checkpoint cannot be used.
    """
    _among("KV=", given.kv, KV)
    _among("FORMAT=", given.form, FORMATS)
    facts = facts_of.look(given.python)
    gpu, count, mixed = _gpu(given, facts)
    ranks = given.ranks or count
    if ranks > count:
        raise Unusable(
            "more GPUs share the model than there are",
            where="TP=",
            expected=f"at most COUNT={count}",
            found=str(ranks),
            next=f"make doctor MODEL={given.quoted} COUNT={ranks} TP={ranks}",
        )
    known = know(checkpoint.read(given.folder))
    table = selection.recorded().table
    asked = assess.Wanted(
        gpu, count, ranks, given.context, given.seqs, given.tokens, given.kv
    )
    found = assess.assess(known, asked, table)
    _taken(given, known, found)
    recorded = (
        f"as recorded in the repository, with FlashInfer {selection.recorded_with()}"
    )
    source, more = recorded, [mixed] if mixed else []
    if facts.vllm:
        told = asking.ask(facts.executable, known, found)
        if isinstance(told, Remark):
            more.append(told)
        else:
            found = asking.with_answers(found, told)
            source = asking.source(told, facts.executable, recorded)
    flags = serve.flags(known, found, asked)
    others = [] if found.fits else nearest(known, found, asked, table)
    answer = Answer(known, found, flags, others, given.folder, source, more)
    if given.recipe is None:
        return render(answer, given.form), answer.ok
    text = recipes.recipe(given.recipe, given.folder, flags, found)
    fault = next((r.what for r in answer.remarks if r.level is Level.FAULT), "")
    if fault:
        raise Finding(
            "no recipe is written of what would not run",
            where=f"RECIPE={given.recipe}",
            expected="a model that fits, and has no faults",
            found=fault,
            next=f"make doctor MODEL={given.quoted} GPU=spark COUNT={count} "
            f"TP={ranks}, which says what would fit",
        )
    return text.rstrip("\n"), True


def _gpu(given: Given, facts: Facts) -> tuple[Gpu, int, Remark | None]:
    if given.gpu is not None:
        gpu, own, mixed = gpus.named(given.gpu), 1, None
    else:
        seen = gpus.own(facts)
        if seen is None:
            raise _which(given)
        gpu, own, mixed = seen
    if given.capability not in (None, gpu.capability):
        raise Unusable(
            "the GPU is of another capability",
            where="CAPABILITY=",
            expected=f"{gpu.capability}, as the {gpu.name} has, or nothing",
            found=str(given.capability),
            next=f"make doctor MODEL={given.quoted} GPU='{gpu.name}'",
        )
    count = given.count or given.ranks or own
    if count > _MOST:
        raise Unusable(
            "there are not so many GPUs",
            where="COUNT=",
            expected=f"at most {_MOST}",
            found=str(count),
            next=f"make doctor MODEL={given.quoted} COUNT=2",
        )
    return gpu, count, mixed


def _which(given: Given) -> Unusable:
    """No GPU is named: a capability says neither its memory nor its bandwidth."""
    table = gpus.load()
    asked = given.capability
    alike = [gpu for gpu in table if asked in (None, gpu.capability)]
    found = "nothing, and this machine has none of them"
    if asked is not None:
        have = (
            f"{len(alike)} of the list have it" if alike else "none of the list has it"
        )
        found += f"; CAPABILITY={asked} does not name a GPU: {have}"
    meant = alike or table
    return Unusable(
        "which GPU is meant is not known",
        where="GPU=",
        expected=", ".join(gpu.name for gpu in meant),
        found=found,
        next=f"make doctor MODEL={given.quoted} GPU={meant[0].also[0]}",
    )


def _taken(given: Given, known: Known, found: assess.Assessment) -> None:
    """Refuse what `vllm serve` would refuse before it looks at the GPU."""
    longest, tokens = known.model.context, found.wanted.tokens
    assert tokens is not None
    if given.context is not None and given.context > longest:
        raise Unusable(
            "the model was not made for sequences so long, and vLLM refuses them",
            where="CONTEXT=",
            expected=f"at most {longest}, by its config.json",
            found=str(given.context),
            next=f"make doctor MODEL={given.quoted} CONTEXT={longest}",
        )
    if given.seqs is not None and given.seqs > tokens:
        raise Unusable(
            "vLLM takes no more sequences at once than tokens a step",
            where="SEQS=",
            expected=f"at most TOKENS={tokens}",
            found=str(given.seqs),
            next=f"make doctor MODEL={given.quoted} SEQS={tokens}",
        )


def _among(where: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise Unusable(
            "there is no such value",
            where=where,
            expected=", ".join(known),
            found=value,
            next=f"make doctor MODEL=folder {where}{known[0]}",
        )
