"""The layout is a promise: who imports whom, what is never used, how long things get, what importing costs."""

from __future__ import annotations

import ast
import json
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = sorted(path for folder in ("recsys_cl", "flows", "mlflow") for path in (ROOT / folder).rglob("*.py"))

# What every part may import.
SHARED = {"", "errors", "files", "families", "progress", "settings", "config"}
# Each part may import itself and the parts of earlier lines.
ORDER = [
    {"interactions"},
    {"pairs"},
    {"towers"},
    {"contrast"},
    {"training"},
    {"retrieval"},
    {"evaluation"},
    {"workspace", "machine"},
    {"registry"},
    {"stages"},
    {"terminal"},
    {"options", "summary", "doctor"},
    {"cli", "flows"},
]
# Heavy or exchangeable libraries, and the files (or folders) that alone may import them.
HOMES = {
    "prefect": ["flows/"],
    "mlflow": ["recsys_cl/registry/store.py", "mlflow/"],
    "faiss": ["recsys_cl/retrieval/"],
}
UNSAFE = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
UNTELLING = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(path: Path) -> Iterator[str]:
    """Give the dotted names that a file imports, wherever in it that happens."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno} imports relatively; name the whole path"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant))


def part_of(path: Path) -> str:
    """Return the part of the product that a file belongs to: a folder or module of recsys_cl, or flows."""
    top, *rest = path.relative_to(ROOT).parts
    return top if top != "recsys_cl" else Path(rest[0]).stem.replace("__init__", "")


def imported_part(name: str) -> str | None:
    top, *rest = name.split(".")
    if top == "flows":
        return "flows"
    if top != "recsys_cl":
        return None
    known = {part_of(path) for path in PRODUCT}
    return rest[0] if rest and rest[0] in known else ""


def rank(part: str) -> int:
    return next(number for number, parts in enumerate(ORDER) if part in parts)


@pytest.mark.parametrize("path", [path for path in PRODUCT if part_of(path) not in {"mlflow"}], ids=name_of)
def test_each_part_knows_only_what_stands_before_it(path):
    part = part_of(path)
    assert part in SHARED or any(part in parts for parts in ORDER), f"{part!r} has no place in the order"
    for name in imports_of(path):
        other = imported_part(name)
        if other is None or other in SHARED or other == part:
            continue
        assert part not in SHARED, f"{name_of(path)} is imported by all and so may not import {name}"
        assert rank(other) < rank(part), f"{name_of(path)} imports {name}, which stands beside or after it"


@pytest.mark.parametrize("library", HOMES)
def test_a_library_stays_at_home(library):
    users = [name_of(path) for path in PRODUCT if library in {name.split(".")[0] for name in imports_of(path)}]
    assert [user for user in users if not user.startswith(tuple(HOMES[library]))] == []


def test_one_file_knows_faiss():
    assert len([path for path in PRODUCT if "faiss" in {name.split(".")[0] for name in imports_of(path)}]) <= 1


def test_interactions_never_import_torch():
    for path in (ROOT / "recsys_cl" / "interactions").rglob("*.py"):
        assert "torch" not in {name.split(".")[0] for name in imports_of(path)}, name_of(path)


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_nothing_that_runs_what_it_reads(path):
    assert not {name.split(".")[0] for name in imports_of(path)} & UNSAFE
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "torch.load", "torch.save"}, f"line {node.lineno} calls {called}"
            for keyword in node.keywords:
                allowed = keyword.arg != "allow_pickle" or ast.unparse(keyword.value) == "False"
                assert allowed, f"line {node.lineno} allows pickles"


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_modules_and_functions_are_short_and_named_for_what_they_do(path):
    assert path.stem not in UNTELLING
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    for function in functions_of(path):
        assert length(function) <= 60, f"{function.name} has {length(function)} lines"


def test_a_typical_function_is_about_ten_lines():
    assert statistics.median(length(function) for path in PRODUCT for function in functions_of(path)) <= 12


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


@pytest.mark.parametrize("path", [path for path in PRODUCT if path.parts[-2] != "mlflow"], ids=name_of)
def test_importing_a_module_does_nothing(path):
    for node in tree_of(path).body:
        acts = isinstance(node, ast.For | ast.While | ast.With | ast.Try | ast.Delete)
        acts |= isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
        acts |= isinstance(node, ast.If) and ast.unparse(node.test) not in {"TYPE_CHECKING", "__name__ == '__main__'"}
        assert not acts, f"line {node.lineno} acts when {name_of(path)} is imported"


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not (ROOT / "recsys_cl" / "cli.py").exists(), reason="there is no command line yet")
def test_the_command_line_starts_light():
    heavy = ["torch", "polars", "pandas", "mlflow", "prefect", "faiss", "pyarrow", "scipy", "matplotlib"]
    loaded = json.loads(run_python("import json, sys, recsys_cl.cli; print(json.dumps(list(sys.modules)))"))
    assert set(loaded) & set(heavy) == set()


def test_the_folder_mlflow_does_not_hide_the_library():
    assert not (ROOT / "mlflow" / "__init__.py").exists()
    assert not (ROOT / "mlflow.py").exists()
    assert run_python("import mlflow; print(callable(mlflow.start_run))").strip() == "True"


def test_test_files_have_names_of_their_own():
    counts = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in counts.items() if count > 1] == []


# Each pattern holds a bracket, so that this file does not match it.
TELLTALES = {
    "a path of one machine": re.compile(r"(?<![\w.~-])/(wor[k]|roo[t]|User[s])/"),
    "the address of a package index": re.compile(
        r"https?://\S*(/simpl[e]\b|pythonhoste[d]|download\.pytorch\.or[g]|/wh[l]/)"
        r"|^\s*(-[i]|--(extra-)?index-ur[l]|--find-link[s])\b"
    ),
}


def test_the_repository_names_neither_machines_nor_package_indexes():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" in content:
            continue  # not text
        for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
            found += [f"{name}:{number}: {what}" for what, pattern in TELLTALES.items() if pattern.search(line)]
    assert found == []
