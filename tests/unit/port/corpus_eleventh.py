# SPDX-License-Identifier: Apache-2.0
"""An eleventh, small set: what vLLM did between 0.31.0 and 0.33.0, in a small form.

Set down before any of it was run: none came out wrong, one was refused that has an
answer, and has it since. A choice that asks which quantization it is for, a
set of names that means less, a helper in place of a block, another group of ranks,
an option that was yes or no.
"""

from __future__ import annotations

from functools import partial

from tests.unit.port import drifts
from tests.unit.port.corpus_third import AROUND, ELEMENTS, HEAD, IN_PART, NAMES, TWINS
from tests.unit.port.drifts import Edits, on
from tests.unit.port.model import Change, Files

LINEAR, CHOICES, WARMUP, GROUPS = (
    f"vllm/{name}.py" for name in ("linear", "choices", "warmup", "groups")
)
ENVS, TORCH, AITER = "vllm/envs.py", "vllm/torch_utils.py", "vllm/aiter.py"

TREE: Files = {
    ENVS: HEAD
    + """\
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    VLLM_SITU: bool = False
    VLLM_AR: bool = True

environment_variables = {
    "VLLM_SITU": lambda: bool(int(os.getenv("VLLM_SITU", "0"))),
    "VLLM_AR": lambda: bool(int(os.getenv("VLLM_AR", "1"))),
}


def __getattr__(name):
    return environment_variables[name]()
""",
    TORCH: HEAD
    + """\
def is_torch_equal_or_newer(version):
    return version <= "2.14"


def cuda_device_count():
    return 1
""",
    AITER: HEAD
    + '''\
class AiterExperts:
    """By AITER."""

    @staticmethod
    def supports_activation(activation):
        return activation in ("silu", "gelu")

    def workspace(self, tokens, hidden):
        return tokens * hidden
''',
    CHOICES: HEAD
    + '''\
from dataclasses import dataclass
from typing import Literal

LinearBackend = Literal[
    "auto",
    "cutlass",
    "mega_cutedsl",
    "marlin",
]

EP_BACKENDS = frozenset(
    {
        "mega_deep_gemm",
        "mega_cutedsl",
    }
)

MEGA_BACKENDS = frozenset({"deep_gemm_mega"}) | EP_BACKENDS


@dataclass
class KernelConfig:
    """What may be chosen."""

    linear_backend: LinearBackend = "auto"
    """Options:

    - "auto": the best
    - "cutlass": CUTLASS
    - "marlin": Marlin
    """
    autotune: bool = True


def validate(backend, model):
    """Whether a model has what a backend needs."""
    if backend not in EP_BACKENDS:
        return
    if model != "deepseek":
        raise ValueError(f"{backend} is for DeepSeek")
''',
    GROUPS: HEAD
    + '''\
class Group:
    """Some ranks."""

    def __init__(self, ranks):
        self.ranks = ranks
        self.rank_in_group = 0
        self.world_size = len(ranks)


def get_world_group() -> Group:
    return Group([0, 1])


def get_tp_group() -> Group:
    return Group([0])
''',
    LINEAR: HEAD
    + '''\
from vllm import envs
from vllm.choices import KernelConfig

POSSIBLE = {
    "cuda": [
        "cutlass",
        "marlin",
        "emulation",
    ],
    "rocm": [
        "aiter",
        "emulation",
    ],
}


def current_config():
    return KernelConfig()


def get_linear_backend() -> str:
    """The one that is set."""
    config = current_config()
    if config is not None:
        return config.linear_backend
    return "auto"


def filtered(kernels, layer):
    """Those that may be asked."""
    backend = get_linear_backend()
    if backend == "auto":
        return kernels
    return [kernel for kernel in kernels if kernel == backend]


def choose(layer, platform, force=None):
    """The kernel of a layer."""
    if force is not None:
        return force
    if envs.VLLM_SITU:
        return "situ"
    for kernel in filtered(POSSIBLE[platform], layer):
        if kernel != "emulation":
            return kernel
    raise ValueError("no kernel: use cutlass, marlin or emulation")
''',
    WARMUP: HEAD
    + '''\
from contextlib import contextmanager

from vllm.groups import get_world_group


@contextmanager
def autotune(buckets):
    yield buckets


def token_counts(runner, *, include_bf16=True):
    counts = [runner.max_tokens]
    if include_bf16:
        counts.append(32)
    return tuple(counts)


def kernel_warmup(worker):
    """Compile before the first request."""
    runner = worker.runner
    if worker.has_flashinfer:
        for count in token_counts(runner, include_bf16=False):
            with autotune(buckets=(count,)):
                runner.dummy_run(count)
    if worker.attention:
        runner.dummy_run(
            num_tokens=16,
            skip_eplb=True,
            force_attention=True,
        )


def tune(runner):
    """Tune, and let the first rank write it."""
    world = get_world_group()
    is_leader = world.rank_in_group == 0
    path = runner.cache_path
    if is_leader:
        runner.log(path)
    return path
''',
}


drift = partial(drifts.drift, TREE)


def new(text: str) -> Edits:
    return {"vllm/sm12x.py": [("", HEAD + text)]}


MINE = on(LINEAR, ('        "cutlass",\n', '        "b12x",\n        "cutlass",\n'))
HINT = on(
    LINEAR,
    ("use cutlass, marlin or emulation", "use b12x, cutlass, marlin or emulation"),
)
WARM = on(
    WARMUP,
    (
        "                runner.dummy_run(count)\n",
        "                runner.dummy_run(count)\n                runner.warm_b12x()\n",
    ),
)
LEADS = on(
    WARMUP,
    (
        "        runner.log(path)\n",
        "        runner.log(path)\n        runner.say()\n",
    ),
)
SITU = on(
    LINEAR,
    (
        '        return "situ"\n',
        '        return "situ" if layer.wide else "situ_narrow"\n',
    ),
)
MEGA = new(
    "from vllm.choices import MEGA_BACKENDS\n\n\ndef is_mega(name):\n"
    "    return name in MEGA_BACKENDS\n"
)
LISTED = on(CHOICES, ('    "cutlass",\n', '    "cutlass",\n    "b12x",\n'))
AUTOTUNED = new(
    "from vllm.warmup import autotune\n\n\ndef tuned(run):\n"
    "    with autotune(buckets=(16,)):\n        run()\n"
)

ELEVENTH: tuple[Change, ...] = (
    drift(
        "vLLM: kernels come beside ours, and at the end",
        ELEMENTS,
        MINE,
        on(
            LINEAR,
            (
                '        "marlin",\n        "emulation",\n',
                '        "marlin",\n        "torch",\n        "emulation",\n',
            ),
        ),
        MINE,
    ),
    drift(
        "vLLM: a backend beside ours has another name",
        ELEMENTS,
        LISTED,
        on(
            CHOICES,
            (
                '    "mega_cutedsl",\n    "marlin",',
                '    "ep_cutedsl",\n    "marlin",',
            ),
        ),
        on(
            CHOICES,
            (
                '    "cutlass",\n    "ep_cutedsl",\n',
                '    "cutlass",\n    "b12x",\n    "ep_cutedsl",\n',
            ),
        ),
    ),
    drift(
        "vLLM: the kernels are put in another order before they are asked",
        ELEMENTS,
        MINE,
        on(
            LINEAR,
            (
                '    """Those that may be asked."""\n',
                '    """Those that may be asked."""\n'
                '    kernels = sorted(kernels, key=lambda k: k != "humming")\n',
            ),
        ),
        MINE,
    ),
    drift(
        "vLLM: the choice asks for the quantization",
        NAMES,
        new(
            "from vllm.linear import get_linear_backend\n\n\ndef named():\n"
            '    return get_linear_backend() != "auto"\n'
        ),
        on(
            LINEAR,
            (
                "def get_linear_backend() -> str:\n",
                "def get_linear_backend(*, quantization: str) -> str:\n",
            ),
            (
                "    backend = get_linear_backend()\n",
                '    backend = get_linear_backend(quantization="fp4")\n',
            ),
        ),
    ),
    drift(
        "vLLM: a set of backends holds others",
        NAMES,
        MEGA,
        on(
            CHOICES,
            (
                'MEGA_BACKENDS = frozenset({"deep_gemm_mega"}) | EP_BACKENDS\n',
                'MEGA_BACKENDS = frozenset({"deep_gemm_mega"})\n',
            ),
        ),
        MEGA,
        read=True,
    ),
    drift(
        "vLLM: experts of one kind have another name",
        NAMES,
        new(
            "def experts():\n    from vllm.aiter import AiterExperts\n\n"
            "    return [AiterExperts]\n"
        ),
        on(AITER, ("class AiterExperts:\n", "class AiterUnquantizedExperts:\n")),
    ),
    drift(
        "vLLM: what tells the version is in a file of its own",
        NAMES,
        new(
            "from vllm.torch_utils import is_torch_equal_or_newer\n\n"
            'NEW = is_torch_equal_or_newer("2.14")\n'
        ),
        on(
            TORCH,
            (
                "def is_torch_equal_or_newer(version):\n"
                '    return version <= "2.14"\n\n\n',
                "",
            ),
        )
        | {
            "vllm/torch_version.py": [
                (
                    "",
                    HEAD + "def is_torch_equal_or_newer(version):\n"
                    '    return version <= "2.14"\n',
                )
            ]
        },
    ),
    drift(
        "vLLM: an option that was yes or no is one of several",
        NAMES,
        SITU,
        on(
            ENVS,
            ("    VLLM_SITU: bool = False\n", '    VLLM_SITU: str = "auto"\n'),
            (
                'lambda: bool(int(os.getenv("VLLM_SITU", "0"))),',
                'lambda: os.getenv("VLLM_SITU", "auto"),',
            ),
        ),
        SITU,
    ),
    drift(
        "vLLM: the option that we ask for was yes or no",
        NAMES,
        new(
            "from vllm import envs\n\n\ndef situ():\n"
            "    return 1 if envs.VLLM_SITU else 0\n"
        ),
        on(
            ENVS,
            ("    VLLM_SITU: bool = False\n", '    VLLM_SITU: str = "auto"\n'),
            (
                'lambda: bool(int(os.getenv("VLLM_SITU", "0"))),',
                'lambda: os.getenv("VLLM_SITU", "auto"),',
            ),
        ),
    ),
    drift(
        "vLLM: a keyword of the counts is gone",
        NAMES,
        new(
            "from vllm.warmup import token_counts\n\n\ndef most(runner):\n"
            "    return max(token_counts(runner, include_bf16=False))\n"
        ),
        on(
            WARMUP,
            (
                "def token_counts(runner, *, include_bf16=True):\n"
                "    counts = [runner.max_tokens]\n"
                "    if include_bf16:\n        counts.append(32)\n",
                "def token_counts(runner):\n    counts = [runner.max_tokens]\n",
            ),
            ("token_counts(runner, include_bf16=False)", "token_counts(runner)"),
        ),
    ),
    drift(
        "vLLM: tuning takes one more, which may be left out",
        NAMES,
        AUTOTUNED,
        on(
            WARMUP,
            ("def autotune(buckets):\n", "def autotune(buckets, round_up=False):\n"),
            ("autotune(buckets=(count,))", "autotune(buckets=(count,), round_up=True)"),
        ),
        AUTOTUNED,
    ),
    drift(
        "vLLM: what tuning runs under takes one more",
        AROUND,
        WARM,
        on(
            WARMUP,
            ("def autotune(buckets):\n", "def autotune(buckets, round_up=False):\n"),
            ("autotune(buckets=(count,))", "autotune(buckets=(count,), round_up=True)"),
        ),
        WARM,
        read=True,
    ),
    drift(
        "vLLM: who leads is of another group",
        AROUND,
        LEADS,
        on(
            WARMUP,
            (
                "import get_world_group\n",
                "import get_tp_group\n",
            ),
            (
                "    world = get_world_group()\n"
                "    is_leader = world.rank_in_group == 0\n",
                "    group = get_tp_group()\n"
                "    is_leader = group.rank_in_group == 0\n",
            ),
        ),
        LEADS,
        read=True,
    ),
    drift(
        "vLLM: a block that we give an argument is a helper's",
        TWINS,
        on(
            WARMUP,
            (
                "            skip_eplb=True,\n",
                "            skip_eplb=True,\n            b12x=True,\n",
            ),
        ),
        on(
            WARMUP,
            (
                "        runner.dummy_run(\n            num_tokens=16,\n"
                "            skip_eplb=True,\n            force_attention=True,\n"
                "        )\n",
                "        mixed_warmup(runner)\n",
            ),
            (
                "def kernel_warmup(worker):\n",
                "def mixed_warmup(runner):\n    runner.dummy_run(\n"
                "        num_tokens=16,\n        skip_eplb=True,\n"
                "        force_attention=True,\n    )\n\n\n"
                "def kernel_warmup(worker):\n",
            ),
        ),
    ),
    drift(
        "vLLM: the names that a message tells are more",
        IN_PART,
        HINT,
        on(
            LINEAR,
            (
                "use cutlass, marlin or emulation",
                "use cutlass, humming, marlin or emulation",
            ),
        ),
    ),
    drift(
        "vLLM: a test in the middle is left out where nothing is forced",
        AROUND,
        on(
            LINEAR,
            (
                '        if kernel != "emulation":\n            return kernel\n',
                '        if kernel != "emulation":\n            layer.kernel = kernel\n'
                "            return kernel\n",
            ),
        ),
        on(
            LINEAR,
            (
                "    if force is not None:\n        return force\n",
                "    if force is not None and not layer.skip:\n        return force\n",
            ),
        ),
        on(
            LINEAR,
            (
                '        if kernel != "emulation":\n            return kernel\n',
                '        if kernel != "emulation":\n            layer.kernel = kernel\n'
                "            return kernel\n",
            ),
        ),
        read=True,
    ),
)
