"""Who may import whom: architecture.md section 2, read from the sources and not from memory."""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STANDARD = set(sys.stdlib_module_names) | {"__future__"}

# Outside packages and the only modules that may import them.
KEEPERS = {
    "gradio": ("hfru_core.ui", "audit.ui", "app"),
    "transformers": (
        "hfru_core.vlm", "hfru_core.families", "hfru_core.rollout", "hfru_core.quantization",
        "hfru_core.world.build",
        "hfru_core.world.pretrain", "hfru_core.world.heads", "hfru_core.world.lessons",
    ),
    "peft": ("hfru_core.vlm", "hfru_core.adapter", "hfru_core.folder"),
    "huggingface_hub": ("hfru_core.hub",),
}  # fmt: skip
# Modules and all that they may import of the project; other modules of their own package aside.
ALLOWED = {
    "hfru_core.types": (),
    "hfru_core.concepts": ("types",),
    "hfru_core.images": ("types",),
    "hfru_core.families": ("types",),
    "hfru_core.grpo": (),
    "hfru_core.rollout": (),
    "hfru_core.rewards": ("types", "concepts"),
    "hfru_core.photos": ("types", "concepts"),
    "hfru_core.parallel": ("types",),
    "hfru_core.quantization": ("types", "families"),
    "hfru_core.looks": (),
    "hfru_core.memory": ("types",),
    "hfru_core.vlm": (
        "types", "families", "looks", "memory", "parallel", "quantization", "rollout",
    ),
    "hfru_core.files": ("types",),
    "hfru_core.own": ("types", "concepts", "data", "vlm"),
    "hfru_core.sft": ("types", "vlm", "rollout"),
    "hfru_core.output": ("types",),
    "hfru_core.card": (),
    "hfru_core.folder": ("types", "concepts", "families"),
    "hfru_core.adapter": ("types", "vlm", "folder", "card"),
    "hfru_core.combine": ("types", "vlm", "adapter", "folder", "card", "output"),
    "hfru_core.bundle": ("types", "folder", "output"),
    "hfru_core.hub": ("types", "folder", "output"),
    "hfru_core.world": ("types", "concepts", "images", "photos"),
    "hfru_core.benchmark_files": ("types", "concepts"),
    "hfru_core.benchmarks": (
        "types", "concepts", "images", "photos", "world", "benchmark_files",
    ),
    "hfru_core.data": ("types", "concepts", "images", "photos", "world", "benchmarks"),
    "hfru_core.evaluate": ("types", "concepts", "data", "vlm"),
    "hfru_core.augment": ("types", "concepts", "data", "own", "vlm"),
    "hfru_core.variants": ("types", "data", "world", "benchmarks"),
    "hfru_core.methods": (
        "types", "concepts", "images", "data", "augment", "variants", "vlm", "rollout", "rewards",
        "grpo", "sft",
    ),
    "hfru_core.session": (
        "types", "data", "files", "vlm", "evaluate", "adapter", "memory", "methods",
    ),
}  # fmt: skip
FORBIDDEN = {
    "audit": (
        "hfru_core.session", "hfru_core.methods", "hfru_core.grpo", "hfru_core.rewards",
        "hfru_core.ui",
    ),
    "audit.stats": ("hfru_core", "torch"),
}  # fmt: skip
PURE = {"hfru_core.grpo": {"torch"}, "hfru_core.types": set(), "hfru_core.concepts": set()}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    name_of(p): p
    for p in (*ROOT.glob("hfru_core/**/*.py"), *ROOT.glob("audit/**/*.py"), *ROOT.glob("app.py"))
}


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def imports_of(module: str) -> set[str]:
    """Every module that a file imports, those inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide who imports whom"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {w for w in whole if w in MODULES}
            found |= {node.module} if whole - set(MODULES) else set()
    return found


IMPORTS = {module: imports_of(module) for module in MODULES}


def offences(users: str, used: str) -> list[str]:
    return [
        f"{m} imports {i}"
        for m, names in IMPORTS.items() for i in names
        if inside(m, users) and inside(i, used)
    ]  # fmt: skip


def test_the_tree_was_found() -> None:
    assert "hfru_core.session" in IMPORTS["hfru_core.__main__"]
    assert "hfru_core.world.scenes" in IMPORTS["hfru_core.world.language"]
    assert "transformers" in IMPORTS["hfru_core.vlm"]


@pytest.mark.parametrize("package", KEEPERS)
def test_outside_packages_stay_with_their_keepers(package: str) -> None:
    strangers = [
        m for m, names in IMPORTS.items()
        if any(inside(i, package) for i in names)
        and not any(inside(m, keeper) for keeper in KEEPERS[package])
    ]  # fmt: skip
    assert not strangers, f"{package} is imported by {strangers}"


@pytest.mark.parametrize("module", ALLOWED)
def test_a_module_imports_only_what_stands_right_of_it(module: str) -> None:
    allowed = (module, *(f"hfru_core.{a}" for a in ALLOWED[module]))
    wrong = [
        f"{m} imports {i}"
        for m, names in IMPORTS.items() for i in names
        if inside(m, module) and (inside(i, "hfru_core") or inside(i, "audit"))
        and not any(inside(i, a) for a in allowed)
    ]  # fmt: skip
    assert not wrong, wrong


@pytest.mark.parametrize(("users", "used"), [(u, f) for u, names in FORBIDDEN.items()
                                             for f in names])  # fmt: skip
def test_the_audit_does_not_mark_its_own_homework(users: str, used: str) -> None:
    assert not offences(users, used)


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_need_nothing_but_their_arithmetic(module: str) -> None:
    tops = {i.split(".")[0] for i in IMPORTS[module]}
    assert tops - STANDARD - {"hfru_core"} <= PURE[module]


def test_the_core_knows_neither_interface_nor_audit() -> None:
    on_top = ("hfru_core.ui", "hfru_core.bench")  # The bench unlearns, and then has it audited.
    core = [m for m in MODULES
            if inside(m, "hfru_core") and not any(inside(m, t) for t in on_top)]  # fmt: skip
    wrong = [
        f"{m} imports {i}"
        for m in core for i in IMPORTS[m] if inside(i, "audit") or inside(i, "hfru_core.ui")
    ]  # fmt: skip
    assert not wrong, wrong


def test_no_module_imports_itself_through_others() -> None:
    graph = {m: {i for i in names if i in MODULES and i != m} for m, names in IMPORTS.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


LIGHT = ("hfru_core.files", "hfru_core.data", "hfru_core.ui", "hfru_core.types")


@pytest.mark.parametrize("module", [m for m in MODULES if inside(m, "hfru_core.ui")])
def test_torch_comes_in_one_way(module: str) -> None:
    """Two threads that import transformers from different ends get half of it."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        late = [n.module for n in ast.walk(function) if isinstance(n, ast.ImportFrom)]
        if any(inside(m, "hfru_core") and not m.startswith(LIGHT) for m in late):
            assert "bring_torch()" in map(ast.unparse, calls(function)), function.name


def calls(function: ast.FunctionDef) -> list[ast.Call]:
    return [n for n in ast.walk(function) if isinstance(n, ast.Call)]
