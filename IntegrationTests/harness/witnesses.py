"""Which tests say that they show which operation: `@pytest.mark.operation("SecretSet")`."""

import ast
from pathlib import Path


def witnesses(folder: Path) -> dict[str, list[str]]:
    """Operation name to the tests that carry its mark."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
                for operation in _marks(node):
                    found.setdefault(operation, []).append(f"{path.name}::{node.name}")
    return found


def _marks(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [
        decorator.args[0].value
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.operation"
    ]


def uncovered(operations: list[dict], shown: dict[str, list[str]]) -> list[str]:
    """The operations that can be called over the wire and that no test shows."""
    return sorted({operation["name"] for operation in operations if operation["paths"]} - shown.keys())
