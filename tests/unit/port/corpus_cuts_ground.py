# SPDX-License-Identifier: Apache-2.0
"""Held out: real releases that moved code, or changed what stands around it.

The answers were set down before any tool had seen a case.
"""

from __future__ import annotations

from tests.unit.port.cuts import drift

GROUND = "a real release: the ground"
MOVED = "a real release: moved"

ON_GROUND = [
    # The line runs in more cases than it did: right text, and to be read.
    drift(
        "the test around a new line was widened",
        GROUND,
        [
            (
                '        cfg["bundled_autograd_cache"] = False\n',
                '        cfg["bundled_autograd_cache"] = False\n'
                '        cfg["enable_autograd_cache"] = False\n',
            )
        ],
        [
            (
                '        cfg["bundled_autograd_cache"] = False\n',
                '        cfg["bundled_autograd_cache"] = False\n'
                '        cfg["enable_autograd_cache"] = False\n',
            )
        ],
        read=True,
    ),
    drift(
        "an early return before ours has another test",
        GROUND,
        [
            (
                "        q.exponential_()\n",
                "        q.exponential_()\n        q.clamp_(min=1e-30)\n",
            )
        ],
        [
            (
                "        q.exponential_()\n",
                "        q.exponential_()\n        q.clamp_(min=1e-30)\n",
            )
        ],
        read=True,
    ),
    drift(
        "the block that ours goes into went",
        GROUND,
        [
            (
                "            self.model_runner.post_kv_cache_wake_up()\n",
                "            self.model_runner.post_kv_cache_wake_up()\n"
                "            self.model_runner.reset_sm12x_workspace()\n",
            )
        ],
        None,
    ),
    # The other branch masks with another tensor, which ours does not reach.
    drift(
        "our line went into one of two branches",
        GROUND,
        [
            (
                "index_put_(self.logits_slice, self.neg_inf_tensor)",
                "index_put_(self.logits_slice, self.neg_inf_tensor.to(logits.dtype))",
            )
        ],
        None,
    ),
    drift(
        "two lines became a method",
        GROUND,
        [
            (
                "        if clear_cache:\n            self._reset_caches()\n",
                "        if clear_cache:\n            self.sm12x.flush()\n"
                "            self._reset_caches()\n",
            )
        ],
        None,
    ),
    drift(
        "a tuple of modes became the arguments of a type",
        GROUND,
        [('("keep", "abort", "wait")', '("keep", "abort", "wait", "drain")')],
        None,
    ),
    # Two early returns at one place: which goes first is a person's.
    drift(
        "a static method became one of the class",
        GROUND,
        [
            (
                "        return [MultipleOf(16)]\n",
                "        if current_platform.is_device_capability_family(120):\n"
                "            return [MultipleOf(32)]\n"
                "        return [MultipleOf(16)]\n",
            )
        ],
        None,
    ),
    drift(
        "a new early return before a number of ours",
        GROUND,
        [("max(default_block_size, 64)", "max(default_block_size, 128)")],
        [("max(default_block_size, 64)", "max(default_block_size, 128)")],
        read=True,
    ),
    # The second of two blocks that are alike but for their depth.
    drift(
        "the test around one of two alike blocks changed",
        GROUND,
        [
            (
                "                        if response.status != 200:\n"
                "                            error_text = await response.text()\n",
                "                        if response.status != 200:\n"
                "                            error_text = await response.text()\n"
                "                            logger.warning(error_text)\n",
            )
        ],
        [
            (
                "                        if not 200 <= response.status < 300:\n"
                "                            error_text = await response.text()\n"
                "                            raise Exception(\n"
                '                                f"Failed to upload data',
                "                        if not 200 <= response.status < 300:\n"
                "                            error_text = await response.text()\n"
                "                            logger.warning(error_text)\n"
                "                            raise Exception(\n"
                '                                f"Failed to upload data',
            )
        ],
        read=True,
    ),
    drift(
        "a test below which we add a branch was widened",
        GROUND,
        [
            (
                '        raise ValueError("Invalid tool_choice for function',
                '        if request.tool_choice == "sm12x":\n'
                '            return "sm12x"\n'
                '        raise ValueError("Invalid tool_choice for function',
            )
        ],
        [
            (
                '        raise ValueError("Invalid tool_choice for function',
                '        if request.tool_choice == "sm12x":\n'
                '            return "sm12x"\n'
                '        raise ValueError("Invalid tool_choice for function',
            )
        ],
    ),
    drift(
        "a loop passes over what raises",
        GROUND,
        [
            (
                "                count += 1\n",
                "                count += self._weight(token_id)\n",
            )
        ],
        [
            (
                "                count += 1\n",
                "                count += self._weight(token_id)\n",
            )
        ],
    ),
    # What ours calls is CUDA's alone, and the block is every accelerator's now.
    drift(
        "another kind of device around our line",
        GROUND,
        [
            (
                "            torch.cuda.current_stream().synchronize()\n",
                "            torch.cuda.current_stream().synchronize()\n"
                "            torch.cuda.ipc_collect()\n",
            )
        ],
        None,
    ),
    # Both give `spec` another value before it is stored.
    drift(
        "both set a name again at the same place",
        GROUND,
        [
            (
                "            kv_cache_spec[layer_name] = spec\n",
                '            if getattr(attn_module, "sm12x", False):\n'
                "                spec = narrowed(spec)\n"
                "            kv_cache_spec[layer_name] = spec\n",
            )
        ],
        None,
    ),
    drift(
        "the test around a log line was narrowed",
        GROUND,
        [
            (
                '            logger.info_once("Using AITER Flash Attention backend '
                'for ViT model.")\n',
                '            logger.info_once("Using AITER Flash Attention backend '
                'for ViT model.")\n'
                "            cls.vit_backend_chosen = True\n",
            )
        ],
        [
            (
                '            logger.info_once("Using AITER Flash Attention backend '
                'for ViT model.")\n',
                '            logger.info_once("Using AITER Flash Attention backend '
                'for ViT model.")\n'
                "            cls.vit_backend_chosen = True\n",
            )
        ],
        read=True,
    ),
    drift(
        "a decorator was added",
        GROUND,
        [
            (
                "    if not current_platform.is_cpu():\n",
                "    if not current_platform.is_cpu() and self.use_kernel:\n",
            )
        ],
        [
            (
                "    if not current_platform.is_cpu():\n",
                "    if not current_platform.is_cpu() and self.use_kernel:\n",
            )
        ],
    ),
    drift(
        "a branch above ours got shorter",
        GROUND,
        [
            (
                '    if scoring_func == "softmax":\n',
                '    if scoring_func == "sm12x":\n'
                "        return RoutingMethodType.Unspecified\n\n"
                '    if scoring_func == "softmax":\n',
            )
        ],
        [
            (
                '    if scoring_func == "softmax":\n',
                '    if scoring_func == "sm12x":\n'
                "        return RoutingMethodType.Unspecified\n\n"
                '    if scoring_func == "softmax":\n',
            )
        ],
    ),
]

_CP = "vllm/v1/attention/ops/cp_common.py"
_SSE = "vllm/entrypoints/serve/utils/sse_keep_alive.py"
_VERSION = "vllm/utils/torch_version.py"
_PLANNING = "vllm/v1/core/kv_cache_planning.py"
_CACHE = "vllm/multimodal/cache/base.py"
_PARSER = "vllm/renderers/chat_utils/content_parser.py"

_UNIFORM = (
    "    if not kv_cache_spec:\n",
    "    if len(kv_cache_spec) < 2:\n",
)
_ASYNC = """\
class AsyncMultiModalContentParser(BaseMultiModalContentParser):
    def parse_input_audio(
        self, input_audio: InputAudio | None, uuid: str | None = None
    ) -> None:
        if input_audio:
            audio_data = input_audio.get("data", "")
            audio_format = input_audio.get("format", "")
"""
_LOWERED = (_ASYNC, _ASYNC.replace('("format", "")', '("format", "").lower()'))
_WEIGHT = ("self.weight + 1, self.bias", "self.weight.float() + 1, self.bias")

WHERE_IT_WENT = [
    # Its neighbour went to dcp.py, it went to cp_common.py.
    drift(
        "a function went to one of two new files",
        MOVED,
        [("symm_mem.empty(8, dtype", "symm_mem.empty(16, dtype")],
        {_CP: [("symm_mem.empty(8, dtype", "symm_mem.empty(16, dtype")]},
    ),
    drift(
        "a file went to another folder",
        MOVED,
        [("if not 0 < interval <", "if not 1 <= interval <")],
        {_SSE: [("if not 0 < interval <", "if not 1 <= interval <")]},
    ),
    drift(
        "a function moved and is imported where it was",
        MOVED,
        [
            (
                "(str(torch.__version__), target)",
                "(torch.__version__, target)",
            )
        ],
        {
            _VERSION: [
                (
                    "(str(torch.__version__), target)",
                    "(torch.__version__, target)",
                )
            ]
        },
    ),
    drift(
        "a function went to a file beside", MOVED, [_UNIFORM], {_PLANNING: [_UNIFORM]}
    ),
    drift(
        "a module became a package",
        MOVED,
        [
            (
                "[self.is_cached_item(mm_hash) for mm_hash in mm_hashes]",
                "[self.is_cached_item(each) for each in mm_hashes if each]",
            )
        ],
        {
            _CACHE: [
                (
                    "[self.is_cached_item(mm_hash) for mm_hash in mm_hashes]",
                    "[self.is_cached_item(each) for each in mm_hashes if each]",
                )
            ]
        },
    ),
    # The method of the second class; the first has it letter by letter.
    drift(
        "one of two twins of a module that became a package",
        MOVED,
        {"vllm/renderers/chat_utils.py": [_LOWERED]},
        {_PARSER: [_LOWERED]},
    ),
    drift(
        "a class got another name",
        MOVED,
        [("        return num_patches *", "        return max(num_patches, 1) *")],
        [("        return num_patches *", "        return max(num_patches, 1) *")],
    ),
    # `forward` is forward_native's body now, which the other forms call.
    drift(
        "a method got another name and its class another base",
        MOVED,
        [_WEIGHT],
        [_WEIGHT],
    ),
]
