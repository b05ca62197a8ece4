"""Which package may import which, read from the sources: core <- audit <- bench, studio, cli."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STANDARD = set(sys.stdlib_module_names) | {"__future__"}

# Outside packages and the only ones that may import them.
KEEPERS = {
    "gradio": ("hfru_core.studio", "hfru_core.cli.app"),
    "transformers": ("hfru_core.model", "hfru_core.pretrain"),
    "peft": ("hfru_core.model", "hfru_core.adapters"),
    "huggingface_hub": ("hfru_core.adapters", "hfru_core.hub_errors", "hfru_core.data.hub_files"),
}  # fmt: skip
# The core: a package or module imports those of earlier layers only, and its own package.
LAYERS = (
    ("types", "paths", "stats"),
    ("config", "language"),
    ("concepts", "files", "hub_errors", "locks", "child_process"),
    ("model",),
    ("world",),
    ("protocol",),
    ("data",),
    ("adapters", "evaluate", "pretrain", "training"),
    ("methods",),
    ("session",),
    ("pipeline",),
)
CORE = [f"hfru_core.{name}" for layer in LAYERS for name in layer]
ON_TOP = ("hfru_core.bench", "hfru_core.studio", "hfru_core.cli", "hfru_core.__main__", "app")
FORBIDDEN = {
    "audit": (
        "hfru_core.session", "hfru_core.methods", "hfru_core.training.grpo",
        "hfru_core.training.rewards", *ON_TOP,
    ),
    "hfru_core.bench": ("hfru_core.studio", "hfru_core.cli"),
    "hfru_core.studio": ("hfru_core.cli", "hfru_core.__main__"),
}  # fmt: skip
MOST_FILES = {"hfru_core": 14, "hfru_core/studio": 5}  # a folder's own, those of its folders apart
PURE = {
    "hfru_core.training.grpo": {"torch"}, "hfru_core.types": set(), "hfru_core.concepts": set(),
    "hfru_core.stats": {"numpy", "scipy"}, "hfru_core.paths": set(), "hfru_core.config": set(),
}  # fmt: skip


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
        for m, names in IMPORTS.items()
        for i in names
        if inside(m, users) and inside(i, used)
    ]


def test_the_tree_was_found() -> None:
    assert "hfru_core.session" in IMPORTS["hfru_core.pipeline"]
    assert "hfru_core.world.scenes" in IMPORTS["hfru_core.protocol.questions"]
    assert "transformers" in IMPORTS["hfru_core.model.vlm"]


@pytest.mark.parametrize("package", KEEPERS)
def test_outside_packages_stay_with_their_keepers(package: str) -> None:
    strangers = [
        m
        for m, names in IMPORTS.items()
        if any(inside(i, package) for i in names)
        and not any(inside(m, keeper) for keeper in KEEPERS[package])
    ]
    assert not strangers, f"{package} is imported by {strangers}"


@pytest.mark.parametrize("module", CORE)
def test_the_core_imports_what_lies_in_earlier_layers(module: str) -> None:
    earlier = [f"hfru_core.{n}" for layer in LAYERS[: layer_of(module)] for n in layer]
    wrong = [
        f"{m} imports {i}"
        for m, names in IMPORTS.items()
        for i in names
        if inside(m, module)
        and (i.startswith("hfru_core.") or inside(i, "audit"))
        and not any(inside(i, a) for a in (module, *earlier))
    ]
    assert not wrong, wrong


def layer_of(module: str) -> int:
    name = module.removeprefix("hfru_core.")
    return next(i for i, layer in enumerate(LAYERS) if name in layer)


def test_every_module_has_its_place() -> None:
    placed = ("audit", *CORE, *ON_TOP)
    strangers = [m for m in MODULES if m != "hfru_core" and not any(inside(m, p) for p in placed)]
    assert not strangers, strangers


@pytest.mark.parametrize(
    ("users", "used"), [(u, f) for u, names in FORBIDDEN.items() for f in names]
)
def test_what_lies_below_does_not_know_what_lies_above(users: str, used: str) -> None:
    assert not offences(users, used)


@pytest.mark.parametrize(("folder", "most"), MOST_FILES.items())
def test_a_folder_holds_few_files(folder: str, most: int) -> None:
    assert len([*(ROOT / folder).glob("*.py")]) <= most


def test_nobody_imports_the_zoo() -> None:
    """The audit's self-test is not a part of the audit."""
    used = [m for m, names in IMPORTS.items() if any(inside(i, "audit.zoo") for i in names)]
    assert all(inside(m, "audit.zoo") for m in used), used


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_need_nothing_but_their_arithmetic(module: str) -> None:
    tops = {i.split(".")[0] for i in IMPORTS[module]}
    assert tops - STANDARD - {"hfru_core"} <= PURE[module]


def test_no_module_imports_itself_through_others() -> None:
    graph = {m: {i for i in names if i in MODULES and i != m} for m, names in IMPORTS.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


TORCH_SIDE = "hfru_core.studio.sessions.torch_side"
TORCH = ("torch", "transformers", "peft", "safetensors.torch")
LATE = ("hfru_core.bench.jobs",)  # brings torch with its first call


@cache
def run_imports(module: str, inside_functions: bool) -> set[str]:
    """What a module imports when it runs, without what only type checkers read."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    nodes: list[ast.AST] = list(tree.body)
    found = set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not inside_functions:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {w if w in MODULES else str(node.module) for w in whole}
        nodes += ast.iter_child_nodes(node)
    return found


@cache
def bringing_torch() -> set[str]:
    """The modules whose import brings torch, and those that do it with their first call."""
    graph = {m: run_imports(m, inside_functions=False) for m in MODULES}
    found, before = {*LATE}, set()
    while found != before:
        before = set(found)
        found |= {
            m for m, names in graph.items() if any(inside(i, t) for i in names for t in TORCH)
        }
        found |= {m for m, names in graph.items() if names & found - {*LATE}}
    return found


STUDIO = [m for m in MODULES if inside(m, "hfru_core.studio") and m != TORCH_SIDE]


@pytest.mark.parametrize("module", STUDIO)
def test_torch_comes_in_one_way(module: str) -> None:
    """Two threads that import transformers from different ends get half of it."""
    late = run_imports(module, inside_functions=True)
    assert not late & (bringing_torch() - {TORCH_SIDE}), "import it from torch_side"
    assert TORCH_SIDE not in run_imports(module, inside_functions=False), "import it in a function"


def test_the_torch_side_is_what_brings_torch() -> None:
    assert TORCH_SIDE in bringing_torch()
    assert {"hfru_core.session", "hfru_core.adapters.hub"} <= bringing_torch()


def test_the_app_is_built_without_torch() -> None:
    """The page is served before torch is there."""
    code = "import sys, hfru_core.studio.app; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
