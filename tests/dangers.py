"""Static check for code that would execute, unpickle or unpack untrusted input."""

import ast
from collections.abc import Iterator

MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "jsonpickle", "marshal",
    "shelve", "code", "codeop", "imp", "ctypes", "pty",
}  # fmt: skip
# Matched by the end of the full name.
CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.execl",
    "os.execvp", "os.spawnv", "os.spawnl", "os.posix_spawn", "subprocess.getoutput",
    "subprocess.getstatusoutput", "runpy.run_path", "yaml.load",
    "yaml.full_load", "yaml.unsafe_load", "shutil.unpack_archive", "tempfile.mktemp",
    "enable_unsafe_deserialization", "load_library", "load_op_library", "load_file_system_library",
    "py_function", "numpy.fromfile", "numpy.loadtxt", "numpy.genfromtxt",
}  # fmt: skip
# Keyword -> its only permitted value.
VALUES = {"shell": False, "allow_pickle": False, "safe_mode": True, "compile_source": False}
# Call -> required keyword.
NEEDS = {"numpy.load": "allow_pickle", "extractall": "filter", "PIL.Image.open": "formats"}
# Call that can run programs or follow links -> the only module that may make it, after checks.
GATES = {
    "importlib.import_module": "rumi_tf/utils/rumi.py",
    "saved_model.load": "rumi_tf/export/sampler.py", "load_model": "",
    "load_weights": "rumi_tf/evaluation/embeddings/weights.py",
    "h5py.File": "rumi_tf/evaluation/embeddings/weights.py",
}  # fmt: skip


def dangers(source: str, path: str = "") -> Iterator[str]:
    """Describes dangerous imports and calls of a module; `path` is relative to the project."""
    tree = ast.parse(source)
    imports = dict(_imports(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in _modules(node):
                if name.split(".")[0] in MODULES:
                    yield f"imports {name}"
        if isinstance(node, ast.Call):
            yield from _check_call(node, _full_name(node.func, imports), path)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            name = _full_name(node, imports)  # it may be called where it is passed
            if name in ("eval", "exec", "os.system", "os.popen"):
                yield f"names {name}"


def _check_call(node: ast.Call, name: str, path: str) -> Iterator[str]:
    yield from (f"calls {name}" for call in CALLS if _ends(name, call))
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    for keyword, value in keywords.items():
        if keyword in VALUES and not (
            isinstance(value, ast.Constant) and value.value is VALUES[keyword]
        ):
            yield f"{name}: {keyword} is not {VALUES[keyword]}"
    for call, keyword in NEEDS.items():
        if _ends(name, call) and keyword not in keywords:
            yield f"{name} without {keyword}"
    for call, gate in GATES.items():
        ours = "." not in call and name == call  # a function of this project
        if _ends(name, call) and not ours and path != gate:
            yield f"calls {name} outside of {gate or 'tests'}"


def _ends(name: str, call: str) -> bool:
    if call in ("eval", "exec", "compile", "__import__"):  # not methods of these names
        return name in (call, f"builtins.{call}")
    return name == call or name.endswith(f".{call}")


def _modules(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        yield node.module or ""
    else:
        yield from (alias.name for alias in node.names)


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Local and full names of imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    yield alias.asname, alias.name
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("rumi_tf"):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _full_name(node: ast.AST, imports: dict[str, str]) -> str:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(imports.get(node.id, node.id) if isinstance(node, ast.Name) else "?")
    return ".".join(reversed(parts))
