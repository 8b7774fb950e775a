#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finding: CuTe DSL compiles a kernel whose stream has no annotation, and cannot export it to C
# Versions: nvidia-cutlass-dsl 4.8.0, cuda-bindings 13.5.0, for sm_90a, no GPU
# Date: 2026-11-30
# Behaviour: cute.compile takes a CUstream for an argument without an annotation, as FlashInfer's
#   direct micro MoE kernel has it. export_to_c of what comes out stops at the C header, and calls
#   it a bug of the compiler. dump_to_object, which makes the object file that export_to_c would
#   have written beside the header, gives one that load_module takes. With the annotation
#   cuda.CUstream both work.
# Output:
# > annotated:   export_to_c ok, dump_to_object ok
# > unannotated: export_to_c raises DSLRuntimeError, dump_to_object ok
# > loaded from the object without a header: CudaDialectJitCompiledFunction
# Matters: Whoever ships compiled CuTe DSL kernels: which of them can be exported is not seen
#   when they are compiled, and the way past the header is not in the documentation.
set -euo pipefail && shopt -s inherit_errexit
stated=$(sed -n 's/^# > //p' "$0") dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT && cd "$dir"
{ "${PYTHON:-python3}" -m venv v && v/bin/python -m pip install -q --no-compile --no-deps \
  nvidia-cutlass-dsl==4.8.0 nvidia-cutlass-dsl-libs-{base,core,cu13}==4.8.0 numpy==2.4.6 \
  cuda-bindings==13.5.0 cuda-pathfinder==1.9.0 typing_extensions==4.16.0; } >&2 || exit 2
cat > make.py << 'E'
import cuda.bindings.driver as cuda
import cutlass
from cutlass import cute


@cute.kernel
def one(out: cute.Pointer):
    tensor = cute.make_tensor(out, cute.make_layout(32))
    thread, _, _ = cute.arch.thread_idx()
    tensor[thread] = thread


@cute.jit
def annotated(out: cute.Pointer, stream: cuda.CUstream):
    one(out).launch(grid=(1, 1, 1), block=(32, 1, 1), stream=stream)


@cute.jit
def unannotated(out: cute.Pointer, stream):
    one(out).launch(grid=(1, 1, 1), block=(32, 1, 1), stream=stream)


def tried(call):
    try:
        return "ok", call()
    except Exception as e:
        return f"raises {type(e).__name__}", None


pointer = cute.runtime.make_ptr(
    cutlass.Int32, 16, cute.AddressSpace.gmem, assumed_align=16
)
for launch in (annotated, unannotated):
    made = cute.compile(launch, pointer, cuda.CUstream(0))
    name = f"{launch.__name__}:".ljust(12)
    header, _ = tried(lambda: made.export_to_c(".", "k", "k"))
    dumped, data = tried(lambda: made.dump_to_object("k"))
    print(f"{name} export_to_c {header}, dump_to_object {dumped}")
with open("alone.o", "wb") as f:
    f.write(data)
kind = type(cute.runtime.load_module("alone.o")["k"]).__name__
print(f"loaded from the object without a header: {kind}")
E
export CUTE_DSL_ARCH=sm_90a CUTE_DSL_NO_CACHE=1
seen=$(v/bin/python -W ignore make.py)
echo "$seen" && diff <(echo "$stated") <(echo "$seen") >&2
