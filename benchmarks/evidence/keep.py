"""Keep a comparison's cells without their weights, small enough to commit, and lay them out again.

    python benchmarks/evidence/keep.py save runs/evidence/skin_first_pass
    python benchmarks/evidence/keep.py restore runs/evidence/skin_first_pass

`save` writes `kept/NAME.parquet` (logits and where the network looks, of test and validation images,
float32 as they were computed) and `kept/NAME.texts.parquet` (plan, options, histories, times). `restore`
makes the comparison's directory from them: the same `lesioncare compare` then goes on with the cells that
are missing, and its tables and report rest on all. Labels, groups and boxes come from the table, which must
be there. Weights and maps are not kept: the galleries of the report stay empty for restored cells.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from lesioncare.evaluation import Predictions
from lesioncare.training import RunDirectory
from lesioncare.training.inputs import read_table

KEPT = Path(__file__).parent / "kept"
TEXTS = ("config.json", "result.json", "history.csv", "seconds.json")
LOOKS = {"energy": "energy", "pointing": "pointing", "area_share": "area_share", "centre": "centre_energy"}


def files(directory: Path) -> list[Path]:
    """The small files of the comparison and of its finished cells."""
    own = [directory / name for name in ("comparison.json", "splits.csv", "seconds.json")]
    cells = sorted(path.parent for path in directory.glob("cells/*/*/result.json"))
    finished = [cell for cell in cells if RunDirectory(cell).complete]
    return [path for path in own if path.exists()] + [cell / name for cell in finished for name in TEXTS]


def rows(directory: Path, cell: Path, part: str) -> pd.DataFrame:
    found = Predictions.from_csv(cell / f"{part}.csv")
    frame = pd.DataFrame({"cell": str(cell.relative_to(directory)), "part": part, "image": found.image})
    logits = {f"logit:{name}": found.logits[:, at] for at, name in enumerate(found.classes)}
    looks = {column: getattr(found, field) for column, field in LOOKS.items()}
    numbers = pd.DataFrame(logits | looks)
    kept = numbers.astype(np.float32)
    if not np.array_equal(kept.to_numpy(np.float64), numbers.to_numpy(), equal_nan=True):
        raise ValueError(f"{cell}: {part}.csv has numbers that are not of 32 bits.")
    return pd.concat([frame.astype("category"), kept], axis=1)


def save(directory: Path) -> None:
    texts = files(directory)
    cells = [path.parent for path in texts if path.name == "result.json"]
    parts = [
        rows(directory, cell, part)
        for cell in cells
        for part in ("predictions", "validation")
        if (cell / f"{part}.csv").exists()
    ]
    if not parts:
        raise SystemExit(f"{directory}: no finished cell.")
    KEPT.mkdir(exist_ok=True)
    texts_of_rows = ["cell", "part", "image"]
    frame = pd.concat(parts).astype(dict.fromkeys(texts_of_rows, "category"))
    frame.to_parquet(
        KEPT / f"{directory.name}.parquet",
        compression="zstd",
        compression_level=19,
        index=False,
        use_dictionary=texts_of_rows,
        use_byte_stream_split=[name for name in frame if name not in texts_of_rows],
    )
    pd.DataFrame(
        {
            "path": [str(path.relative_to(directory)) for path in texts],
            "text": [path.read_text() for path in texts],
        }
    ).to_parquet(KEPT / f"{directory.name}.texts.parquet", compression="zstd", index=False)
    print(f"{len(cells)} cells kept")


def restore(directory: Path) -> None:
    """Cells that are there already are left as they are; result.json comes last, as in a training."""
    kept = pd.read_parquet(KEPT / f"{directory.name}.parquet")
    texts = pd.read_parquet(KEPT / f"{directory.name}.texts.parquet").set_index("path").text
    for path in [path for path in texts.index if not path.startswith("cells/")]:
        write(directory / path, texts[path])
    tables: dict[str, object] = {}
    for cell, own in kept.groupby("cell", observed=True):
        target = directory / str(cell)
        if (target / "result.json").exists():
            continue
        for name in TEXTS:
            if name != "result.json":
                write(target / name, texts[f"{cell}/{name}"])
        record = json.loads(texts[f"{cell}/result.json"])
        data = RunDirectory(target).load_config().data.model_copy(update={"check_images": False})
        key = str(data.model_copy(update={"fold": 0}))
        table = tables.setdefault(key, read_table(data))
        for part, some in own.groupby("part", observed=True):
            predictions(some, table, record["classes"]).to_csv(target / f"{part}.csv")
        RunDirectory(target).weights_removed.touch()
        write(target / "result.json", json.dumps(record | {"has_maps": False}, indent=2, ensure_ascii=False))
    print(f"{kept.cell.nunique()} cells in {directory}")


def predictions(some: pd.DataFrame, table: object, classes: list[str]) -> Predictions:
    at = [table.position_of(image) for image in some.image]
    frame, empty = table.frame.iloc[at], np.empty((0, 4))
    return Predictions(
        image=frame["image"].to_numpy(dtype=str),
        path=frame["path"].to_numpy(dtype=str),
        group=frame["group"].to_numpy(dtype=str),
        target=frame["label"].to_numpy(dtype=np.int64),
        logits=some[[f"logit:{name}" for name in classes]].to_numpy(np.float64),
        classes=tuple(classes),
        boxes=tuple(np.asarray(table.boxes.get(one, empty), np.float64) for one in at),
        **{field: some[column].to_numpy(np.float64) for column, field in LOOKS.items()},
    )


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("action", choices=["save", "restore"])
    parser.add_argument("directory", type=Path, nargs="+")
    options = parser.parse_args()
    for directory in options.directory:
        (save if options.action == "save" else restore)(directory)


if __name__ == "__main__":
    main()
