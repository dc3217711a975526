"""The source of the package, parsed for the contract tests."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "webhook"

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """One file: its dotted name, its text and its tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Return the number of lines."""
        return len(self.text.splitlines())


class Defined(NamedTuple):
    """One function of the package, by its dotted name."""

    name: str
    node: Function
    is_method: bool
    is_inner: bool

    @property
    def is_public(self) -> bool:
        """Return whether it is public: no part of its name is private, and it is not inside another function."""
        parts = self.name.split(".")
        return not self.is_inner and not any(part.startswith("_") for part in parts)

    @property
    def body_lines(self) -> int:
        """Return the lines of its body, without its docstring."""
        body = self.node.body[1:] if ast.get_docstring(self.node) is not None else self.node.body
        return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def modules() -> list[Module]:
    """Return every module of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        parts = path.relative_to(ROOT).with_suffix("").parts
        found.append(Module(".".join(part for part in parts if part != "__init__"), path, text, ast.parse(text)))
    return found


def functions(module: Module) -> Iterator[Defined]:
    """Yield every function of a module, inner ones too."""
    yield from within(module.tree, module.name, in_class=False, in_function=False)


def within(node: ast.AST, name: str, *, in_class: bool, in_function: bool) -> Iterator[Defined]:
    """Yield every function below a node."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            own = f"{name}.{child.name}"
            yield Defined(own, child, is_method=in_class, is_inner=in_function)
            yield from within(child, own, in_class=False, in_function=True)
        elif isinstance(child, ast.ClassDef):
            yield from within(child, f"{name}.{child.name}", in_class=True, in_function=in_function)
        else:
            yield from within(child, name, in_class=in_class, in_function=in_function)


def classes(module: Module) -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield every top-level class of a module."""
    yield from ((f"{module.name}.{node.name}", node) for node in module.tree.body if isinstance(node, ast.ClassDef))
