"""The package: what is in the wheel, types, the oldest Python that it is for."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import lcast

HERE = Path(__file__).resolve().parent.parent


def test_the_wheel_is_small_and_for_every_python() -> None:
    wheel = Path(os.environ["LCAST_WHEEL"])
    assert "-cp39-abi3-" in wheel.name
    assert wheel.stat().st_size < 8 * 1024 * 1024
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith("METADATA"))
        assert "Requires-Python: >=3.9" in archive.read(metadata).decode()
    for name in ("lcast/py.typed", "lcast/_lcast.pyi", "lcast/_lcast.abi3.so", "lcast/aio.py"):
        assert name in names
    assert not [name for name in names if name.startswith("tests")]


def test_the_files_are_python_3_9() -> None:
    for path in (HERE / "lcast").glob("*.py*"):
        if path.suffix in (".py", ".pyi"):
            ast.parse(path.read_text(), feature_version=(3, 9))


def test_types_are_strict() -> None:
    command = [sys.executable, "-m", "mypy", "--config-file", str(HERE / "pyproject.toml")]
    command += [str(HERE / "lcast"), str(HERE / "tests")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_are_what_is_there() -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "lcast._lcast"]
    command += ["--mypy-config-file", str(HERE / "pyproject.toml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_name_is_documented() -> None:
    import lcast.aio

    for module in (lcast, lcast.aio):
        for name in module.__all__:
            it = getattr(module, name)
            if isinstance(it, type):
                assert it.__doc__, f"{module.__name__}.{name}"
                for method, function in vars(it).items():
                    if callable(function) and not method.startswith("_"):
                        assert function.__doc__, f"{name}.{method}"


def test_every_kind_has_a_class() -> None:
    from lcast._errors import BY_KIND

    classes = {error for error in vars(lcast).values() if isinstance(error, type)}
    for kind, error in BY_KIND.items():
        assert error in classes and issubclass(error, lcast.Error)
        assert error.kind == kind or kind == "interrupted"
