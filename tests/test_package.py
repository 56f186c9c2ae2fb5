import importlib
import os
import pkgutil
import subprocess
import sys

import pytest

import lesioncare

HEAVY = (
    *("torch", "torchvision", "timm", "pytorch_lightning", "pandas", "sklearn", "matplotlib", "jinja2"),
    *("segmentation_models_pytorch", "onnx", "onnxruntime", "ray", "transformers"),
)


def fresh(tmp_path, code):
    """Run code in a new process, in an empty folder; give what it printed."""
    environment = os.environ | {"COLUMNS": "100", "MPLCONFIGDIR": str(tmp_path.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_is_exactly_what_is_visible():
    assert lesioncare.__all__ == sorted(lesioncare.__all__) == dir(lesioncare)
    assert len(lesioncare.__all__) <= 25


@pytest.mark.parametrize("name", lesioncare.__all__)
def test_every_public_name_resolves_and_says_what_it_is(name):
    value = getattr(lesioncare, name)
    assert value.__name__ == name
    assert value.__doc__
    home = importlib.import_module(value.__module__.rsplit(".", 1)[0])
    assert name in getattr(home, "__all__", dir(home))


def test_another_name_is_no_attribute():
    with pytest.raises(AttributeError, match=r"module 'lesioncare' has no attribute 'Nothing'"):
        _ = lesioncare.Nothing


@pytest.mark.parametrize(
    "code",
    [
        "import lesioncare",
        "import lesioncare.cli",
        "import lesioncare.boxes.generation, lesioncare.boxes.segmentation",
        "import sys; sys.argv = ['lesioncare', '--help']\n"
        "from lesioncare.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code",
        "import sys; sys.argv = ['lesioncare', 'train', '--help']\n"
        "from lesioncare.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code",
    ],
    ids=["package", "command-line", "boxes", "help", "train-help"],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(tmp_path, code):
    shown = fresh(tmp_path, f"{code}\nimport sys\nprint('LOADED', [n for n in {HEAVY} if n in sys.modules])")
    assert shown.strip().endswith("LOADED []")


def test_no_commands_help_loads_anything_heavy(tmp_path):
    code = (
        "import sys, typer.main\n"
        "from lesioncare.cli.app import app\n"
        "from lesioncare.cli import main\n"
        "def commands(group, path):\n"
        "    for name, command in getattr(group, 'commands', {}).items():\n"
        "        yield [*path, name]\n"
        "        yield from commands(command, [*path, name])\n"
        "found = list(commands(typer.main.get_command(app), []))\n"
        "for words in found:\n"
        "    sys.argv = ['lesioncare', *words, '--help']\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code\n"
        f"print('LOADED', len(found) > 10, [n for n in {HEAVY} if n in sys.modules])"
    )
    assert fresh(tmp_path, code).strip().endswith("LOADED True []")


@pytest.mark.slow
def test_importing_every_module_has_no_effect(tmp_path):
    names = [
        module.name
        for module in pkgutil.walk_packages(lesioncare.__path__, "lesioncare.")
        if not module.name.endswith("__main__")
    ]
    assert len(names) > 40
    code = (
        "import os, importlib, torch\n"
        "before, state = dict(os.environ), torch.random.get_rng_state()\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "new = {k: v for k, v in os.environ.items() if before.get(k) != v}\n"
        "print('LEFT', os.listdir(), torch.equal(state, torch.random.get_rng_state()), "
        "[k for k in new if 'lesioncare' in k.lower()])"
    )
    assert fresh(tmp_path, code).strip().endswith("LEFT [] True []")


def test_the_module_runs_as_a_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "lesioncare", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("lesioncare ")
