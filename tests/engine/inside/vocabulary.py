# SPDX-License-Identifier: Apache-2.0
"""A byte-level tokenizer of 288 tokens, made by the tokenizers library."""

from __future__ import annotations

import json
from pathlib import Path

SIZE = 288
"""Tokens of the model; those from 259 on have no text of their own."""

_SPECIAL = ("<s>", "</s>", "<pad>")
_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def write_tokenizer(folder: Path) -> None:
    """tokenizer.json and tokenizer_config.json, with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    rest = [f"<{number}>" for number in range(len(_SPECIAL) + len(alphabet), SIZE)]
    names = [*_SPECIAL, *alphabet, *rest]
    vocabulary = {name: number for number, name in enumerate(names)}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(_SPECIAL))
    made.save(str(folder / "tokenizer.json"))
    said = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": _SPECIAL[0],
        "eos_token": _SPECIAL[1],
        "pad_token": _SPECIAL[2],
        "chat_template": _TEMPLATE,
        "model_max_length": 2048,
    }
    text = json.dumps(said, indent=1)
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
