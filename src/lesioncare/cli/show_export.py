"""What `lesioncare export` prints."""

from rich.console import Console
from rich.table import Table

from lesioncare.cli.say import say
from lesioncare.deploy import Export
from lesioncare.deploy.manifest import Check

__all__ = ["show_export"]


def show_export(done: Export) -> None:
    """Print the files with what their verification measured, and what was left out and why."""
    table = Table("Format", "File", "Random inputs", "Test images", title="Largest difference of a logit")
    for name, file in done.manifest.files.items():
        table.add_row(name, file.name, _shown(file.random), _shown(file.real))
    Console().print(table)
    for name, reason in done.left_out.items():
        say(f"Without {name}: {reason}")
    if any(file.real is None for file in done.manifest.files.values()):
        say("No test image was compared: none is where it was, or --check-images is 0.")


def _shown(check: Check | None) -> str:
    return "-" if check is None else f"{check.logit:.1e} (n = {check.inputs})"
