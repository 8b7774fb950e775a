# SPDX-License-Identifier: Apache-2.0
"""How the hand-made upstream is made: its archive, its lock, and three patches."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from tests.unit.small import Small, git, message
from tests.unit.small_files import SPDX, TOP, VERSION, pack, upstream


def build(root: Path) -> Small:
    """Make the archive, the lock and three patches under `root`."""
    small = Small(root)
    small.upstream_dir.mkdir(parents=True)
    files = upstream()
    pack(files, small.sdist)
    small.repo.mkdir()
    git(small.repo, "init", "-q", "-b", "main")
    for name, data in files.items():
        path = small.repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755 if name.endswith(".sh") else 0o644)
    git(small.repo, "add", "-A", "-f")
    git(small.repo, "commit", "-q", "-m", TOP)
    git(small.repo, "tag", "base")
    tree = git(small.repo, "rev-parse", "HEAD^{tree}")
    data = small.sdist.read_bytes()
    small.lock_path.write_text(
        f"""\
# A comment that tools keep.
schema = 1

[vllm]
version = "{VERSION}"
tag = "v{VERSION}"
commit = "0123456ab"
epoch = 1795455327

[vllm.sdist]
filename = "{small.sdist.name}"
size = {len(data)}
sha256 = "{sha256(data).hexdigest()}"
tree = "{tree}"

[vllm.wheels]

[series]
release = 1
patched-tree = "{tree}"

[companions]
torch = "2.14.0"
""",
        encoding="utf-8",
    )
    small.edit(
        message("config: add the sm12x backend name"),
        "vllm/config/kernel.py",
        '    "marlin",\n',
        '    "marlin",\n    "sm12x",\n',
    )
    small.edit(
        message(
            "utils: probe for the sm12x kernels",
            "The probe looks at what is called, so that a missing kernel\n"
            "is known before the model loads.",
            "tests/utils/test_probe.py::test_probe_is_bool",
        ),
        "vllm/utils/flashinfer.py",
        'return importlib.util.find_spec("flashinfer") is not None\n',
        'return importlib.util.find_spec("flashinfer") is not None\n\n\n'
        "@functools.cache\n"
        "def has_sm12x_moe() -> bool:\n"
        '    """Whether the sm12x MoE kernels can be called."""\n'
        "    return has_flashinfer()\n",
    )
    test = (
        SPDX + "from vllm.utils.flashinfer import has_sm12x_moe\n\n\n"
        "def test_probe_is_bool():\n"
        "    assert isinstance(has_sm12x_moe(), bool)\n"
    )
    for name, text in {"__init__.py": "", "test_probe.py": test}.items():
        path = small.repo / "tests/utils" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git(small.repo, "add", "-A")
    git(small.repo, "commit", "-q", "--amend", "--no-edit")
    small.edit(
        message(
            "config: refuse sm12x where its kernels are missing",
            test="tests/config/test_kernel.py::test_default_is_auto",
        ),
        "vllm/config/kernel.py",
        "    def is_auto",
        "    def check(self) -> None:\n"
        '        """Raise if the chosen backend cannot run."""\n'
        '        if self.moe_backend == "sm12x":\n'
        '            raise ValueError("the sm12x kernels are missing")\n\n'
        "    def is_auto",
    )
    small.export()
    return small
