"""CPU time until the package is imported, and until the command line has shown its help.

    python benchmarks/startup.py

writes `startup.csv` beside this file: user and system seconds of a fresh process (of each thing, the median,
lowest and highest of so many, taken in turns), and that over an idle Python's. Wall time
would say how busy the machine is. What takes long is seen with `python -X importtime -m lesioncare --help`.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
from pathlib import Path

STARTS = {
    "python -c pass": ["-c", "pass"],
    "import lesioncare": ["-c", "import lesioncare"],
    "lesioncare --help": ["-m", "lesioncare", "--help"],
    "lesioncare train --help": ["-m", "lesioncare", "train", "--help"],
    "lesioncare compare --help": ["-m", "lesioncare", "compare", "--help"],
    "lesioncare --version": ["-m", "lesioncare", "--version"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {name: [] for name in STARTS}
    for _ in range(rounds + 1):  # the first one reads the files from the disk
        for name, words in STARTS.items():
            seconds[name].append(cpu_seconds(words))
    nothing = statistics.median(seconds["python -c pass"][1:])
    with (Path(__file__).parent / "startup.csv").open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["start", "rounds", "cpu_s", "lowest", "highest", "over_python"])
        for name, all_of_it in seconds.items():
            taken = all_of_it[1:]
            middle = statistics.median(taken)
            row = [name, rounds, *(f"{value:.3f}" for value in (middle, min(taken), max(taken)))]
            writer.writerow([*row, f"{middle / nothing:.1f}"])
            print(*row)


def cpu_seconds(words: list[str]) -> float:
    """User and system seconds of a process of its own."""
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(words)} failed.")
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
