# SPDX-License-Identifier: Apache-2.0
"""Syntax trees by file name; tree-sitter reads Python, C++ and CUDA alike."""

from __future__ import annotations

import warnings
from enum import Enum
from functools import cache, lru_cache
from pathlib import PurePosixPath

import tree_sitter_cpp
import tree_sitter_cuda
import tree_sitter_python
from tree_sitter import Language, Node, Parser, Query, QueryCursor


class Kind(Enum):
    """How a file's symbols are found."""

    PYTHON = "python"
    """By syntax; a result also has to compile."""
    CPP = "cpp"
    """By syntax, C and C++."""
    CUDA = "cuda"
    """By syntax, C++ with kernel launches."""
    MARKDOWN = "markdown"
    """By heading."""
    TEXT = "text"
    """Not at all: the lines around a change have to agree."""


_SUFFIXES = {
    **dict.fromkeys((".py", ".pyi"), Kind.PYTHON),
    **dict.fromkeys((".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp"), Kind.CPP),
    **dict.fromkeys((".cu", ".cuh"), Kind.CUDA),
    ".md": Kind.MARKDOWN,
}


def kind(path: str) -> Kind:
    """How to read `path`.

    >>> kind("vllm/envs.py").value, kind("csrc/a.cu").value, kind("setup.cfg").value
    ('python', 'cuda', 'text')
    """
    return _SUFFIXES.get(PurePosixPath(path).suffix, Kind.TEXT)


def is_native(path: str) -> bool:
    """Whether a file is C++, CUDA, or says how they are built."""
    return kind(path) in (Kind.CPP, Kind.CUDA) or (
        path.endswith((".cmake", "CMakeLists.txt"))
    )


@cache
def _language(language: Kind) -> Language:
    module = {
        Kind.PYTHON: tree_sitter_python,
        Kind.CPP: tree_sitter_cpp,
        Kind.CUDA: tree_sitter_cuda,
    }[language]
    with warnings.catch_warnings():
        # The CUDA grammar hands its address over as an integer, the old way.
        warnings.simplefilter("ignore", DeprecationWarning)
        return Language(module.language())


@cache
def _parser(language: Kind) -> Parser:
    return Parser(_language(language))


@lru_cache(maxsize=512)
def tree(path: str, data: bytes) -> Node | None:
    """Root of the syntax tree; None where the kind of file has none."""
    if kind(path) in (Kind.MARKDOWN, Kind.TEXT):
        return None
    return _parser(kind(path)).parse(data).root_node


_KEYED = {
    Kind.PYTHON: "[(dictionary) (set) (subscript) (import_from_statement)] @keyed",
    Kind.CPP: "(enumerator_list) @keyed",
    Kind.CUDA: "(enumerator_list) @keyed",
}


@cache
def _query(language: Kind, said: str) -> Query:
    return Query(_language(language), said)


def keyed(path: str, data: bytes) -> list[Node]:
    """The collections of a file in which no element may come twice."""
    root = tree(path, data)
    if root is None:
        return []
    query = _query(kind(path), _KEYED[kind(path)])
    return QueryCursor(query).captures(root).get("keyed", [])


_BRANCHING = {
    Kind.PYTHON: "[(if_statement) (match_statement)] @branching",
    Kind.CPP: "(switch_statement) @branching",
    Kind.CUDA: "(switch_statement) @branching",
}


def branching(path: str, data: bytes) -> list[Node]:
    """The statements of a file that choose one of several branches."""
    root = tree(path, data)
    if root is None:
        return []
    query = _query(kind(path), _BRANCHING[kind(path)])
    return QueryCursor(query).captures(root).get("branching", [])


_PROSE = """
(comment) @prose
(expression_statement . [(string) (concatenated_string)] .) @prose
"""


def prose(root: Node) -> list[Node]:
    """Comments of Python, and statements that are nothing but text."""
    query = _query(Kind.PYTHON, _PROSE)
    return QueryCursor(query).captures(root).get("prose", [])


def parses(path: str, data: bytes) -> bool:
    """Whether the file is one of its language; true where there is none."""
    if kind(path) is Kind.PYTHON:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(data, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            return False
        return True
    root = tree(path, data)
    return root is None or not root.has_error


def text(node: Node | None) -> bytes:
    """Bytes of a node; none for none."""
    return b"" if node is None or node.text is None else node.text
