# SPDX-License-Identifier: Apache-2.0
"""The translator from PTX for sm_12x to PTX for sm_90a: text in, text out."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from scripts.base.errors import Finding
from scripts.hopper import abi, ptx, selftest
from scripts.hopper.assemble import Tools, assemble
from scripts.hopper.statements import Untranslatable

SOURCE = selftest.SOURCE.read_text(encoding="utf-8")
MMA = ptx._MMA
PACKED = "mul.f32x2 %rd1, %rd2, %rd3;"


def module(body: str, target: str = "sm_120a") -> str:
    return f".version 9.0\n.target {target}\n.address_size 64\n{body}\n"


def test_every_replaced_instruction_is_counted() -> None:
    made = ptx.translate(SOURCE)
    assert made.counts == {
        MMA: 1,
        "add.rn.f32x2": 1,
        "cvt.rn.f16x2.e2m1x2": 1,
        "cvt.rn.satfinite.e2m1x2.f32": 1,
        "fma.rn.f32x2": 1,
        "mul.f32x2": 1,
    }
    assert ".target sm_90a" in made.text and "sm_120a" not in made.text.split("//")[-1]
    assert not re.search(r"^\s*(mma\.\S*kind|cvt\S*e2m1|\S+f32x2)\b", made.text, re.M)
    assert ptx.translate(SOURCE) == made


def test_what_hopper_has_stays_to_the_letter() -> None:
    body = "  ld.global.v4.b32 {%r0, %r1, %r2, %r3}, [%rd1];\n  bar.sync 1, 128;"
    made = ptx.translate(module(body, "sm_121a"))
    assert made.counts == {} and body in made.text


@pytest.mark.parametrize(
    "statement",
    [
        "mma.sync.aligned.kind::mxf8f6f4.block_scale.scale_vec::1X.m16n8k32.row.col"
        ".f32.e4m3.e4m3.f32.ue8m0 {%r0}, {%r1}, {%r2}, {%r3}, %r4, {0, 0}, %r5, {0,0};",
        "cvt.rn.satfinite.e2m3x2.f32 %rs1, %f1, %f2;",
        "cvt.rn.bf16x2.ue8m0x2 %r1, %rs1;",
        "tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%rd1], 32;",
        "min.f32x2 %rd1, %rd2, %rd3;",
        "mul.rz.f32x2 %rd1, %rd2, %rd3;",
        # Of no table of what is newer than Hopper.
        "frobnicate;",
        "redux.sync.max.f32 %r1, %r2, -1;",
        "cvt.rs.satfinite.f16x2.f32 %r1, %r2, %r3, %r4;",
        "ld.global.v8.b32 {%r1, %r2, %r3, %r4, %r5, %r6, %r7, %r8}, [%rd1];",
        "st.global.v8.f32 [%rd1], {%r1, %r2, %r3, %r4, %r5, %r6, %r7, %r8};",
        "st.bulk.weak.shared::cta [%rd1], 64, 0;",
        "ldmatrix.sync.aligned.m16n16.x1.trans.shared.b8 {%r1, %r2}, [%r3];",
        "add.f32.bf16 %r1, %rs1, %r2;",
        "call (%r1), f, (%r2);",
        "mov\n.b32 %r1, %r2;",
    ],
)
def test_what_is_not_known_is_named(statement: str) -> None:
    name = re.escape(re.split(r"[\s;]", statement)[0])
    with pytest.raises(Untranslatable, match=f"{name} is not known"):
        ptx.translate(module(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "max.f32 %r1, %r2, %r3, %r4;",
        "min.f32 %r1, %r2, %r3, %r4;",
        "ld.global.b32 %r1, [%rd1], %rd2;",
        "ld.global.v4.f32 %r1, [%rd1];",
        "mov.b64 %rd1, {%rs1, %rs2, %rs3, %rs4};",
        "ret %r1;",
        "bar.sync;",
    ],
)
def test_what_has_other_operands_is_named(statement: str) -> None:
    """As has what came to a name later, or none that ptxas knows."""
    with pytest.raises(Untranslatable, match="has other operands than known"):
        ptx.translate(module(statement))


def test_operands_that_are_none_are_named() -> None:
    with pytest.raises(Untranslatable, match="operands that are not known"):
        ptx.translate(module("ld.global.b32 %r1, [[%rd1]];"))


@pytest.mark.slow
def test_ptxas_takes_every_instruction_that_stays(tmp_path: Path) -> None:
    """And would name one that Hopper lacks."""
    assert len(ptx.there()) > 200
    assert not any(ptx._KNOWN.get(name) or ptx._packed(name) for name in ptx.there())
    assemble(Tools.found(), ptx.HAS, tmp_path / "has.cubin")
    text = ptx.HAS.read_text(encoding="utf-8")
    for statement in (
        "max.f32 %r1, %r2, %r3, %r4;",
        "ld.global.v8.b32 {%r1, %r2, %r3, %r4, %r5, %r6, %r7, %r8}, [%d1];",
        "redux.sync.max.f32 %r1, %r2, -1;",
    ):
        more = tmp_path / "more.ptx"
        more.write_text(text.replace("$end:", f"{statement}\n$end:"), encoding="utf-8")
        with pytest.raises(Finding, match="ptxas refuses"):
            assemble(Tools.found(), more, tmp_path / "more.cubin")


OPERANDS = (
    "{{%r1, %r2, %r3, %r4}},{{%r1, %r2, %r3, %r4}},{{%r1, %r2}},{{%r1, %r2, %r3, %r4}},"
    "{{%r5}},{{{0}, {1}}},{{%r6}},{{{2}, {3}}};"
)
SELECTED = f"{MMA} {OPERANDS.format(*['%rs1'] * 4)}"


@pytest.mark.parametrize(
    "before",
    [
        "mov.b16 %rs1, 1;",
        "mov.b16 %rs1, 0;\nmov.b16 %rs1, 1;",
        "mov.b16 %rs1, 0;\nadd.s16 %rs1, %rs1, 1;",
        "mov.b16 %rs1, 0;\n@%p1 mov.b16 %rs1, %rs2;",
        "mov.b16 %rs1, 0;\nmov.b32 {%rs2, %rs1}, %r9;",
        "mov.b16 %rs1, 0; mov.b16 %rs1, 1;",
        "mov.b16 %rs1, 0;\n{ mov.b16 %rs1, 1; }",
        "mov.b16 %rs1, 0;\n$L1: mov.b16 %rs1, 1;",
        "mov.b16 %rs1, 0;\n/* a */ mov.b16 %rs1, 1;",
        "mov.b16 %rs1, 0;\n// a\nmov.b16 %rs1, 1;",
        "mov.b16 %rs1, 0;\nmov\n.b16 %rs1, 1;",
        "mov.b16 %rs1, 0;\n.loc 1 2 3 mov.b16 %rs1, 1;",
        "mov.b16 %rs1, 0;\nmov.b16 %rs1, -1;",
        "mov.b16 %rs1, 0;\ncall (%rs1), f, (%r1);",
        "mov.b16 %rs1, 0;\ncall.uni\n(\n%rs1\n),\nf,\n(\n%r1\n);",
        "mov.b16 %rs1, 0;\nld.shared.v2.b16 {%rs2, %rs1}, [%r1];",
        "mov.b16 %rs1, 0;\n}\n.func (.reg .b16 %rs1) g (.reg .b16 %rs2)\n{",
        "mov.b16 %rs1, 0;\n}\n.func g (.reg .b16 %rs1)\n{",
        "@%p1 mov.b16 %rs1, 0;",
        "// mov.b16 %rs1, 0;",
        "",
    ],
)
def test_a_register_that_may_not_be_0_is_no_selector(before: str) -> None:
    text = module(f".reg .b16 %rs<3>;\n{before}\n{SELECTED}")
    with pytest.raises(Untranslatable, match=r"selector|no statement|not known"):
        ptx.translate(text)


REG, ZERO = ".reg .b16 %rs<2>;", "mov.b16 %rs1, 0;"


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (f".func f\n{{ {REG} {ZERO} ret; }}\n.func g\n{{ {REG} {SELECTED} }}", False),
        (f".func f\n{{ {REG} {ZERO} {{ {REG} {SELECTED} }} }}", False),
        (f".func f\n{{ {REG} {{ {REG} {ZERO} }} {SELECTED} }}", False),
        (f".func f (.reg .b16 %rs1)\n{{ {SELECTED} }}\n{REG} {ZERO}", False),
        (f".func f\n{{ {ZERO} {SELECTED} }}", False),
        (f".func f\n{{ {REG} {ZERO} {{ {SELECTED} }} }}", True),
        (f".func f\n{{ {REG} {SELECTED} {ZERO} }}", False),
        (f".func f\n{{ {REG} {{ {ZERO} {SELECTED} }} }}", True),
        (f"{{ {REG} mov.b16 %rs1, 1; }} {{ {REG} {ZERO} {SELECTED} }}", True),
    ],
)
def test_a_register_is_that_of_its_block(body: str, good: bool) -> None:
    if good:
        assert ptx.translate(module(body)).counts == {MMA: 1}
        return
    with pytest.raises(Untranslatable, match="selector"):
        ptx.translate(module(body))


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("other", ["1", "%rs2", "-0", "-%rs1"])
def test_every_selector_is_looked_at(at: int, other: str) -> None:
    selectors = ["%rs1"] * 4
    selectors[at] = other
    text = module(f"{REG} {ZERO}\n{MMA} {OPERANDS.format(*selectors)}")
    with pytest.raises(Untranslatable, match=r"selector|operands"):
        ptx.translate(text)


@pytest.mark.parametrize(
    "statement",
    [
        f"{MMA} {OPERANDS.format(*'0000').replace('%r1, ', '', 1)}",
        f"{MMA} {OPERANDS.format(*'0000').replace('{%r5}', '{%r5, %r5}')}",
        f"{MMA} {OPERANDS.format(*'0000').replace('{0, 0};', '0;')}",
        f"{MMA} {OPERANDS.format(*'0000').replace('},{%r6}', '},%r7,{%r6}')}",
        "cvt.rn.satfinite.e2m1x2.f32 b, %f1;",
        "cvt.rn.satfinite.e2m1x2.f32 b, -%f1, %f2;",
        "cvt.rn.satfinite.e2m1x2.f32 b, 0f3F800000, -1.0;",
        "cvt.rn.f16x2.e2m1x2 %r1, b, b;",
        "cvt.rn.f16x2.e2m1x2 %r1, [b];",
        "mul.f32x2 %rd1, %rd2;",
        "add.rn.f32x2 %rd1, %rd2, %rd3, %rd4;",
        "fma.rn.f32x2 %rd1, %rd2, %rd3;",
        "fma.rn.f32x2 %rd1, %rd2, %rd3, -%rd4;",
        "mul.f32x2 %rd1, {%r1, %r2}, %rd3;",
    ],
)
def test_operands_are_those_of_the_instruction(statement: str) -> None:
    with pytest.raises(Untranslatable, match="operands"):
        ptx.translate(module(statement))


@pytest.mark.parametrize(
    "body",
    [
        "mov.b16 %rs1, 0",
        "ret; }} ?",
        'ret; "a";',
        "ret }\n{ mul.f32x2 %rd1, %rd2, %rd3;",
        ".section .debug_info { .b8 1 }",
        "/* no end mul.f32x2 %rd1, %rd2, %rd3;",
        ".frobnicate 1;",
        ".section .debug_info;",
        ".func f .frobnicate 3\n{ ret; }",
        # No semicolon, so that what follows would be a part of it.
        f".reg .b32 %r1\n{PACKED}",
        f".reg .b32 %r<4>\n{PACKED}",
        f".shared .align 4 .b8 a[4]\n{PACKED}",
        f".global .b32 a = 1\n{PACKED}",
        f'.pragma "nounroll"\n{PACKED}',
        f".loc 1 2 3 {PACKED[:3]}",
        f".visible .entry k()\n{PACKED} {{ ret; }}",
        f".func f (.reg .b32 a {PACKED[:-1]})\n{{ ret; }}",
    ],
)
def test_what_is_no_statement_is_not_left_out(body: str) -> None:
    with pytest.raises(Untranslatable, match=r"no statement|braces"):
        ptx.translate(module(body))


@pytest.mark.parametrize("first", ["mov.b32 %r1, %r2", "neg.s32 %r1", "ret", "$L: ret"])
def test_an_instruction_without_an_end_takes_no_other_with_it(first: str) -> None:
    for other in (PACKED, "neg.s32 %r3, %r4;", "mov.b32 %r3, %r4;"):
        with pytest.raises(Untranslatable, match=r"operands|not known|no statement"):
            ptx.translate(module(f"{first}\n{other}"))


def test_every_statement_of_a_line_is_replaced() -> None:
    line = "mul.f32x2 %rd1, %rd2, %rd3;"
    body = (
        f"{{ {line} {line} }} $L: {line} /* {line} */ setmaxnreg.dec.sync.aligned.u32"
        f" 40; {line} // {line}"
    )
    made = ptx.translate(module(body))
    assert made.counts == {"mul.f32x2": 4, "setmaxnreg": 1}
    assert made.text.count("mul.rn.f32 hopper_h0") == 4


def test_names_of_kernels_are_those_of_entries_alone() -> None:
    text = ".visible .entry a(.param .u64 b)\n{ ret; }\n// .entry c()\n.entry d()\n{}"
    assert [*ptx.entries(module(text))] == ["a", "d"]


def test_selectors_of_0_are_taken() -> None:
    for before, one in ((f"{REG} {ZERO}", "%rs1"), ("", "0")):
        text = module(f"{before}\n{MMA} {OPERANDS.format(*[one] * 4)}")
        assert ptx.translate(text).counts == {MMA: 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (module("", "sm_100a"), "sm_100a"),
        (module("", "sm_90a"), "sm_90a"),
        (module(".target sm_120a"), "target"),
        (module("", "sm_120a, debug"), "debug"),
        (".version 9.0\n.target sm_120a\n", "address_size"),
        (module(f"@%p1 {MMA} {OPERANDS.format(*'0000')}"), "guard"),
        (module("mov.b32 hopper_t, %r1;"), "hopper_t is a name that"),
        (module("setmaxnreg.dec.sync.aligned.u32 40, 8;"), "setmaxnreg.* not known"),
        (module("@%p1 setmaxnreg.inc.sync.aligned.u32 40;"), "setmaxnreg.* not known"),
        (module("setmaxnreg.dec.sync.u32 40;"), "setmaxnreg.* not known"),
    ],
)
def test_another_module_is_refused(text: str, said: str) -> None:
    with pytest.raises(Untranslatable, match=said):
        ptx.translate(text)


def test_registers_that_only_set_the_share_of_a_warp_group_are_left_out() -> None:
    made = ptx.translate(module("setmaxnreg.dec.sync.aligned.u32 \t40;"))
    assert made.counts == {"setmaxnreg": 1}
    assert "setmaxnreg.dec.sync.aligned.u32 is left out" in made.text


@pytest.mark.slow
def test_ptxas_takes_the_translation_and_every_planted_fault(tmp_path: Path) -> None:
    """The planted ones have to run, or no check could see them."""
    tools = Tools.found()
    selftest.write(tools, tmp_path)
    names = (tmp_path / "names.txt").read_text(encoding="utf-8").splitlines()
    assert names == [selftest.RIGHT, *selftest.PLANTED]
    cubins = [path.read_bytes() for path in sorted(tmp_path.glob("*.cubin"))]
    assert len({*cubins}) == len(cubins) == len(names)


@pytest.mark.slow
def test_what_ptxas_refuses_is_named(tmp_path: Path) -> None:
    source = tmp_path / "untranslated.ptx"
    text = SOURCE.replace(".target sm_120a", ".target sm_90a")
    source.write_text(text, encoding="utf-8")
    with pytest.raises(Finding, match="ptxas refuses") as refused:
        assemble(Tools.found(), source, tmp_path / "no.cubin")
    assert "cvt.rn.satfinite.e2m1x2.f32" in str(refused.value)


@pytest.mark.slow
def test_with_the_abi_the_stack_pointer_stays(tmp_path: Path) -> None:
    """ptxas says of the usual translation alone that it drops the ABI."""
    said = {}
    usual = ptx.translate(SOURCE).text
    for name, text in (("usual", usual), ("kept", abi.kept(usual))):
        source = tmp_path / f"{name}.ptx"
        source.write_text(text, encoding="utf-8")
        command: list[str | Path] = [Tools.found().ptxas, "-arch", ptx.TARGET]
        command += [source, "-o", tmp_path / "c"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        said[name] = "disabling ABI" in done.stdout + done.stderr
    assert said == {"usual": True, "kept": False}


LEAVES = """
.visible .entry k()
.maxntid 384, 1, 1
{{
  bar.sync 0;
  setmaxnreg.inc.sync.aligned.u32 232;
  bar.sync 0;
  barrier.arrive 2, {0};
  bar.sync 3, {0};
  bar.sync \t0;
  ret;
}}
"""


def test_barriers_after_warps_have_left_say_of_how_many_they_are() -> None:
    """For compute-sanitizer alone; where all stay, and before, none is changed."""
    left = ptx.translate(module(LEAVES.format(288))).text
    assert abi.counted(left).count("bar.sync 0, 288;") == 2
    assert abi.counted(left).partition("setmaxnreg")[0].count("bar.sync 0;") == 1
    stay = ptx.translate(module(LEAVES.format(384))).text
    without = left.replace("/* setmaxnreg", "/* another")
    assert abi.counted(stay) == stay and abi.counted(without) == without
