# SPDX-License-Identifier: Apache-2.0
"""What is read from IR, SASS and a call's message; and what is refused."""

from __future__ import annotations

import pytest

from scripts.base.errors import Finding
from scripts.kernels import contract, cubin, mlir

IR = """\
!memref_gmem_bf16 = !cute.memref<bf16, gmem, align<16>, "(?,2048):(2048,1)">
!memref_smem_i8 = !cute.memref<i8, smem, align<1024>, "73728:1">
    cuda.kernel @k0(%arg0: !memref_gmem_bf16) {
      %smem = cute.memref.alloca() {smem.partition_id = 1 : i32} : !memref_smem_i8
      %rmem = cute.memref.alloca() : !memref_rmem_f32
    }
    cuda.kernel @k1(%arg0: !memref_gmem_bf16) {
    }
  func.func @host(%arg0: !memref_gmem_bf16) -> i32 {
    %15 = cute.kernel_smem_size @kernels::@k0 : i64
    %17 = cuda.launch_cfg.create<max_attrs = 17 : i32> (blockDim = (%c160_i32, \
%c2_i32, %c1_i32), dynamicSmemBytes = %15, gridDim = (%c1_i32)) : i32
    %18 = cuda.launch_ex @kernels::@k0<%17> (%arg0) : i32
    %24 = cuda.launch_cfg.create<max_attrs = 17 : i32> (blockDim = (%c256_i32, \
%c1_i32, %c1_i32), dynamicSmemBytes = %c512_i64, gridDim = (%c1_i32)) : i32
    %25 = cuda.launch_ex @kernels::@k1<%24> (%arg0) : i32
"""


def test_each_launch_has_its_threads_and_memory() -> None:
    assert mlir.launches(IR) == {
        "k0": mlir.Launch(threads=320, dynamic_shared=73728),
        "k1": mlir.Launch(threads=256, dynamic_shared=512),
    }


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("%c160_i32,", "%7,", "%7, which is no constant"),
        ("%15 = cute.kernel_smem_size", "%15 = cute.size_of", "%15, which is no"),
        ('"73728:1"', '"(8,9216):(9216,1)"', "the size of !cute.memref"),
        ("cuda.launch_ex", "cuda.launch", "no launch"),
        ("k0<%17>", "k0<%16>", "no configuration %16"),
        ("@kernels::@k0 : i64", "@kernels::@k9 : i64", "the size of k9"),
    ],
    ids=["threads", "dynamic", "layout", "launch", "configuration", "kernel"],
)
def test_what_the_ir_does_not_say_is_not_taken_for_zero(
    old: str, new: str, found: str
) -> None:
    assert old in IR
    with pytest.raises(Finding, match="does not say") as e:
        mlir.launches(IR.replace(old, new))
    assert found in str(e.value)


def test_local_memory_is_counted_in_bytes() -> None:
    sass = """
        /*0100*/  OMMA.SF.16864.F32.E2M1.E2M1.UE4M3.4X R4, R8, R12, R4, R2, R3 ;
        /*0110*/  STL [R1+0x10], R4 ;
        /*0120*/  STL.128 [R1+0x20], R4 ;
        /*0130*/  LDL.LU.64 R4, [R1+0x10] ;
        /*0140*/  LDL.LU R4, [R1+0x18] ;
        /*0150*/  STS.128 [R1], R4 ;
        /*0160*/  HMMA.16816.F32.BF16 R4, R8, R12, R4 ;
    """
    assert cubin.parse_code(sass) == cubin.Code(1, 20, 12)


AT = [64, 0]
SIGNATURE = (
    "Mismatched Tensor on argument #0 when calling: `__call__(x: Tensor([n0, 64], "
    "bfloat16), w: Tensor([8, 32, 4], float4_e2m1fnx2), sf: DataPointer, n: int64, "
    "out: Tensor([n0, 64], bfloat16), more: None)`, expected device_type=cuda"
)
CALL = [
    ["tensor", "bfloat16", [3, 64], [64, 1], AT],
    ["tensor", "float4_e2m1fn_x2", [8, 32, 4], [32, 1, 256], AT],
    ["int"],
    ["int"],
    ["tensor", "bfloat16", [3, 64], [64, 1], AT],
]


def test_a_call_that_fits() -> None:
    assert contract.problems(SIGNATURE, CALL) == []


@pytest.mark.parametrize(
    ("argument", "value", "found"),
    [
        (0, ["tensor", "float16", [3, 64], [64, 1], AT], "x: compiled for bfloat16"),
        (0, ["int"], "x: compiled for Tensor"),
        (1, ["tensor", "uint8", [8, 32, 4], [32, 1, 256], AT], "called with uint8"),
        (
            1,
            ["tensor", "float4_e2m1fn_x2", [8, 32, 5], [32, 1, 256], AT],
            "w: compiled",
        ),
        (1, ["tensor", "float4_e2m1fn_x2", [8, 32, 4], [64, 1, 512], AT], "leave gaps"),
        (2, ["tensor", "uint8", [3], [1], AT], "sf: compiled for DataPointer"),
        (4, ["tensor", "bfloat16", [4, 64], [64, 1], AT], "out: compiled for [n0, 64]"),
    ],
    ids=["dtype", "kind", "scale dtype", "shape", "strides", "pointer", "symbol"],
)
def test_each_way_in_which_a_call_does_not_fit(
    argument: int, value: list[object], found: str
) -> None:
    call = [value if i == argument else a for i, a in enumerate(CALL)]
    problems = contract.problems(SIGNATURE, call)
    assert len(problems) == 1 and found in problems[0]


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("no driver", "no signature"),
        (
            SIGNATURE.replace("n: int64, ", ""),
            "compiled for 4 arguments, called with 5",
        ),
        (SIGNATURE.replace("device_type=cuda", "ndim=3"), "stopped at another thing"),
    ],
)
def test_a_message_that_says_something_else(message: str, found: str) -> None:
    (problem,) = contract.problems(message, CALL)
    assert found in problem


WANTED = [
    ["pointer", "BFloat16", "gmem", 16, [16, 0], None],
    ["pointer", "Uint8", "gmem", 16, [16, 0], None],
    ["pointer", "Float16", "gmem", 16, [16, 0], None],
    ["tensor", "Int32", ["1"], ["1"], [4, -1]],
    ["Int32"],
    ["CUstream"],
]
GIVEN: list[list[object]] = [
    ["pointer", "BFloat16", "gmem", 16, [64, 0], "bfloat16"],
    ["pointer", "Uint8", "gmem", 16, [64, 1], "float8_e4m3fn"],
    ["pointer", "Float16", "gmem", 16, [64, 0], "bfloat16"],  # stands in
    ["tensor", "int32", [7], [1], [4, 2]],
    ["Int32"],
    ["CUstream"],
]


def test_a_call_that_fits_place_by_place() -> None:
    assert contract.by_place(WANTED, GIVEN) == []


@pytest.mark.parametrize(
    ("argument", "value", "found"),
    [
        (1, ["pointer", "Int64", "gmem", 16, [64, 1], "uint8"], "for a pointer"),
        (1, ["pointer", "Uint8", "gmem", 8, [8, 1], "uint8"], "for a pointer"),
        (0, ["pointer", "BFloat16", "smem", 16, [64, 0], "bfloat16"], "for a pointer"),
        (1, ["pointer", "Uint8", "gmem", 16, [64, 1], "bool"], "a tensor of bool"),
        (1, ["pointer", "Uint8", "gmem", 16, [64, 1], None], "a tensor of None"),
        (2, ["pointer", "Float16", "gmem", 16, [64, 3], "float32"], "of float32"),
        (3, ["tensor", "int64", [7], [1], [4, 2]], "called with int64 of 1"),
        (3, ["tensor", "int32", [7, 1], [1, 1], [4, 2]], "int32 of 2 dimensions"),
        (3, ["tensor", "int32", [7], [2], [4, 2]], "leave gaps"),
        (3, ["tensor", "int32", [7], [1], [2, 2]], "4 does not divide"),
        (4, ["Int64"], "compiled for Int32, called with Int64"),
        (5, ["int"], "compiled for CUstream"),
    ],
)
def test_each_way_in_which_a_call_does_not_fit_its_place(
    argument: int, value: list[object], found: str
) -> None:
    call = [value if i == argument else a for i, a in enumerate(GIVEN)]
    (problem,) = contract.by_place(WANTED, call)
    assert problem.startswith(f"argument {argument}: ") and found in problem


def test_a_call_that_was_never_made() -> None:
    assert contract.by_place(WANTED, []) == ["compiled, and never called"]
    (problem,) = contract.by_place(WANTED, GIVEN[:-1])
    assert problem == "compiled for 6 arguments, called with 5"
