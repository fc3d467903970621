"""Measures of the source: code-only lines, function lengths, annotations, docstrings."""

import ast
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

    where: str
    node: FunctionNode
    code_lines: int

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


def code_lines(path: Path) -> set[int]:
    """Line numbers that hold code: no blanks, comments or docstrings."""
    text = path.read_text()
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    for docstring in _docstrings(ast.parse(text)):
        lines.difference_update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return lines


def _docstrings(tree: ast.Module) -> Iterator[ast.Expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | FunctionNode) and ast.get_docstring(node) is not None:
            first = node.body[0]
            assert isinstance(first, ast.Expr)
            yield first


def functions(path: Path) -> list[Function]:
    """Every function and method of a file."""
    lines = code_lines(path)
    return [
        Function(
            where=f"{path.relative_to(ROOT)}:{node.lineno} {node.name}",
            node=node,
            code_lines=len(lines & set(range(node.lineno, (node.end_lineno or node.lineno) + 1))),
        )
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, FunctionNode)
    ]
