"""Measures of the source: code-only lines, function lengths, annotations, docstrings."""

import ast
import functools
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("vilem", "service", "index", "models")
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Function:
    """One function or method: where it stands, and what the bars ask of it."""

    path: Path
    node: FunctionNode

    @property
    def where(self) -> str:
        """File, line and name."""
        return f"{self.path.relative_to(ROOT)}:{self.node.lineno} {self.node.name}"

    @property
    def code_lines(self) -> int:
        """Of the file's code-only lines, those from `def` to its end."""
        last = self.node.end_lineno or self.node.lineno
        return len(code_lines(self.path).intersection(range(self.node.lineno, last + 1)))

    @property
    def name(self) -> str:
        """The function's own name."""
        return self.node.name

    def unannotated(self) -> list[str]:
        """Names of parameters without annotation, and `return`; self and cls need none."""
        arguments = self.node.args
        positional = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
        positional += [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
        bare = [each.arg for each in positional if each.annotation is None and each.arg not in ("self", "cls")]
        return bare if self.node.returns is not None else [*bare, "return"]


def sources(*folders: str) -> list[Path]:
    """Every Python file under the folders, sorted."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@functools.cache
def code_lines(path: Path) -> frozenset[int]:
    """Line numbers that hold code: no blanks, comments or docstrings."""
    text = path.read_text()
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    for docstring in _docstrings(ast.parse(text)):
        lines.difference_update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return frozenset(lines)


def _docstrings(tree: ast.Module) -> Iterator[ast.Expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | FunctionNode) and ast.get_docstring(node) is not None:
            first = node.body[0]
            assert isinstance(first, ast.Expr)
            yield first


@functools.cache
def functions(path: Path) -> tuple[Function, ...]:
    """Every function and method of a file."""
    return tuple(Function(path, node) for node in _defined(ast.parse(path.read_text())))


def _defined(node: ast.AST) -> Iterator[FunctionNode]:
    """The functions inside a node: they stand where statements stand, and to look into every expression takes long."""
    for statements in ("body", "orelse", "finalbody", "handlers", "cases"):
        for each in getattr(node, statements, ()):
            if isinstance(each, FunctionNode):
                yield each
            yield from _defined(each)
