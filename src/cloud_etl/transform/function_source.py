"""What the text of a module tells of a function that a python step names; nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from cloud_etl.domain.hints import did_you_mean

_MOST_BYTES = 4 << 20
# Values that surely cannot be called.
_PLAIN = (ast.Constant, ast.List, ast.Dict, ast.Set, ast.Tuple, ast.JoinedStr, ast.ListComp, ast.DictComp)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def function_problem(function: str, project: Path) -> str | None:
    """Why `module:function` cannot be the function of a step, or None where its text shows nothing against it.

    Decorators, assignments and stars are believed: what they make shows only when the module runs.

    Args:
        function: as the configuration names it.
        project: the folder that is first on the path when the step imports the module.
    """
    module, name = function.split(":")
    try:
        path = _source(module, project)
        problem = _problem(path, name, project) if path is not None else None
    except ModuleNotFoundError as exc:
        problem = f"cannot be imported: {exc}"
    return f"{module} {problem}" if problem else None


def _problem(path: Path, name: str, project: Path) -> str | None:
    shown = path.relative_to(project) if path.is_relative_to(project) else path.name
    try:
        tree = parsed(path)
    except SyntaxError as exc:
        return f"cannot be imported: {type(exc).__name__} at {shown}:{exc.lineno or 1}: {exc.msg}"
    except (OSError, ValueError, RecursionError, MemoryError) as exc:
        return f"cannot be imported: {shown} cannot be read as Python ({type(exc).__name__})"
    names = dict(_bindings(tree.body))
    if name not in names and not {"*", "__getattr__"} & names.keys():
        known = [one for one, node in names.items() if isinstance(node, _Function | ast.ClassDef)]
        return f"has no function {name!r}{did_you_mean(name, known)}"
    wrong = _binding_problem(names.get(name), name)
    return f"({shown}): {wrong}" if wrong else None


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file.

    Raises:
        SyntaxError: it is no Python.
        ValueError: it holds a NUL, or is far too large for code.
        RecursionError: it is nested too deeply.
        MemoryError: alike.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(path.name)
    return ast.parse(data, path.name)


def _source(module: str, project: Path) -> Path | None:
    """The file of a module; None where it has none to read, such as an extension.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    first, *others = module.split(".")
    # A name without a dot is found without importing anything.
    spec = PathFinder.find_spec(first, [str(project)]) or find_spec(first)
    for part in others:
        if spec is None or spec.submodule_search_locations is None:
            break
        # By its last name: with the whole one, packages without a file would have to be imported first.
        spec = PathFinder.find_spec(part, list(spec.submodule_search_locations))
    else:
        if spec is not None:
            return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    raise ModuleNotFoundError(f"No module named {module!r}")


def _bindings(body: list[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    """Names that a module's statements bind, the last one last; those of blocks such as if and try with them."""
    for node in body:
        if isinstance(node, _Function | ast.ClassDef):
            yield node.name, node
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name.partition(".")[0], node) for alias in node.names)
        plain = isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        for target in _targets(node):
            value = node.value if plain and isinstance(node, ast.Assign) else node
            yield target.id, value
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.stmt):
                yield from _bindings([part])
            elif isinstance(part, ast.ExceptHandler | ast.match_case):
                yield from _bindings(part.body)


def _targets(node: ast.stmt) -> Iterator[ast.Name]:
    """Names that an expression of the statement itself stores, such as an assignment or a walrus."""
    waiting: list[ast.AST] = [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.stmt)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part
        waiting += [one for one in ast.iter_child_nodes(part) if not isinstance(one, ast.stmt)]


def _binding_problem(node: ast.AST | None, name: str) -> str | None:
    if isinstance(node, _PLAIN):
        return f"{name!r} is a value, not a function"
    if not isinstance(node, _Function) or node.decorator_list:
        return None
    if isinstance(node, ast.AsyncFunctionDef):
        return f"{name!r} is async, and gives no DataFrame when it is called"
    takes = node.args
    most = len(takes.posonlyargs) + len(takes.args)
    needed = most - len(takes.defaults)
    keywords = [one.arg for one, default in zip(takes.kwonlyargs, takes.kw_defaults, strict=True) if default is None]
    if needed > 1 or (most == 0 and takes.vararg is None) or keywords:
        return f"{name!r}, line {node.lineno}, cannot be called with a DataFrame alone"
    return None
