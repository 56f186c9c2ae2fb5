"""The check of a table: everything that is found, and the numbers of the page."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from lesioncare.data.quality.boxes import box_findings
from lesioncare.data.quality.findings import KINDS, Finding
from lesioncare.data.quality.leaks import FOLDS, Leak, expected_leaks
from lesioncare.data.quality.rows import read_rows, row_findings
from lesioncare.data.quality.scan import Scan, scan_images
from lesioncare.data.quality.twins import MAX_TWINS, SIMILARITY, Twin, clusters, find_twins
from lesioncare.data.splits import SIDES
from lesioncare.data.table import Columns
from lesioncare.errors import ConfigError
from lesioncare.rawtable import read_header
from lesioncare.words import several

FAR = 6.0
"""An outlier is this many robust standard deviations (1.4826 times the median deviation) from the median."""
_LEAST_LOG_SIZE, _LEAST_GREY = 0.03, 2.0
NO_CONTRAST = 2.0
"""Standard deviation of grey, of 255, below which an image shows nothing."""

FINDING_COLUMNS = ["kind", "row", "other_row", "detail"]
"""How the columns of `DataCheck.records` begin."""

__all__ = ["FINDING_COLUMNS", "DataCheck", "check_table", "outliers"]


@dataclass(frozen=True)
class DataCheck:
    """What was found in a table.

    Args:
        source: the table.
        rows: see `read_rows`; of one line per image file.
        scan: the pixels of `rows`.
        twins: pairs of positions in `rows`.
        findings: in the order of `KINDS`.
        groups: what a random split would tear apart; None without a group column.
        alike: the same with clusters of twins for groups.
        notes: what was not checked, and why.
        similarity: from which twins are twins.
    """

    source: Path
    rows: pd.DataFrame
    scan: Scan
    twins: tuple[Twin, ...]
    findings: tuple[Finding, ...]
    groups: Leak | None
    alike: Leak
    notes: tuple[str, ...]
    similarity: float

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings of each kind that there is, in the order of their weight."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    @property
    def classes(self) -> dict[str, dict[str, int]]:
        """Images of each class in each part of the split ("all" without a split), the largest class first."""
        if "label" not in self.rows.columns:
            return {}
        labels = self.rows.loc[self.rows["label"] != "", "label"]
        parts = pd.Series("all", index=self.rows.index)
        if "split" in self.rows.columns:
            parts = self.rows["split"].str.lower()
        table = pd.crosstab(labels, parts.loc[labels.index])
        return {name: dict(table.loc[name].astype(int)) for name in labels.value_counts().index}

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts that `classes` counts, in the order of their use."""
        parts = dict.fromkeys(part for counts in self.classes.values() for part in counts)
        order = list(SIDES)
        return tuple(sorted(parts, key=lambda part: order.index(part) if part in order else len(order)))

    def records(self) -> pd.DataFrame:
        """The findings with rows and images, for a file of one's own; the images' names may tell patients."""
        names = dict(zip(self.rows["row"], self.rows["image"], strict=True))
        cells = [(one.kind, *[*one.rows, None, None][:2], one.detail) for one in self.findings]
        frame = pd.DataFrame(cells, columns=FINDING_COLUMNS)
        for rows, images in (("row", "image"), ("other_row", "other_image")):
            frame[images] = frame[rows].map(names)
            frame[rows] = frame[rows].astype("Int64")
        return frame


def check_table(
    source: Path,
    columns: Columns | None = None,
    *,
    image_root: Path | None = None,
    box_file: Path | None = None,
    similarity: float = SIMILARITY,
    workers: int = 2,
) -> DataCheck:
    """Check a table of images.

    Args:
        source: the table.
        columns: which columns mean what; by default guessed.
        image_root: folder of the images; by default the table's, or images/ in it.
        box_file: boxes of any format; by default the box columns of the table, if any.
        similarity: correlation of thumbnails from which two images are twins.
        workers: threads that decode.

    Raises:
        DataError: the table or the box file cannot be read at all. All else is a finding.
        ConfigError: `similarity` is not in (0, 1].
    """
    if not 0 < similarity <= 1:
        raise ConfigError(f"similarity: must be above 0 and at most 1, but got {similarity}.")
    columns = columns or Columns.guess(read_header(source))
    every = read_rows(source, columns, image_root)
    rows = every[(every["path"] == "") | ~every.duplicated("path")].reset_index(drop=True)
    scan = scan_images(rows["path"].tolist(), workers=workers)
    twins, whole = find_twins(scan, similarity)
    findings = [
        *row_findings(every),
        *_pixel_findings(rows, scan),
        *_twin_findings(rows, twins),
        *_group_findings(rows),
        *_class_findings(rows),
        *box_findings(
            every, rows, scan, columns.box_unit, box_file=box_file, image_root=image_root or source.parent
        ),
    ]
    order = list(KINDS)
    findings.sort(key=lambda one: (order.index(one.kind), one.rows))
    groups = rows.loc[rows["group"] != "", "group"] if "group" in rows.columns else None
    return DataCheck(
        source=source,
        rows=rows,
        scan=scan,
        twins=tuple(twins),
        findings=tuple(findings),
        groups=None if groups is None or groups.empty else expected_leaks(groups.tolist()),
        alike=expected_leaks(clusters([twin.pair for twin in twins], len(rows))),
        notes=tuple(_notes(rows, whole)),
        similarity=similarity,
    )


def outliers(values: npt.NDArray[np.float64], least: float) -> npt.NDArray[np.bool_]:
    """Which values lie more than `FAR` robust standard deviations from the median; NaN does not.

    Args:
        values: [n].
        least: smallest standard deviation that is believed.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return np.zeros(len(values), bool)
    median = np.median(known)
    deviation = max(1.4826 * float(np.median(np.abs(known - median))), least)
    return np.asarray(np.abs(np.nan_to_num(values - median)) > FAR * deviation)


def _pixel_findings(rows: pd.DataFrame, scan: Scan) -> Iterator[Finding]:
    lines = rows["row"].tolist()
    readable = np.isfinite(scan.brightness)
    sizes = np.where(readable[:, None], scan.sizes, 1).astype(np.float64)
    aspects = sizes.max(axis=1) / sizes.min(axis=1)  # upright or lying: a quarter turn is not unusual
    shapes = np.where(readable[:, None], np.log([sizes.prod(axis=1), aspects]).T, np.nan)
    odd = outliers(shapes[:, 0], _LEAST_LOG_SIZE) | outliers(shapes[:, 1], _LEAST_LOG_SIZE)
    for position, line in enumerate(lines):
        if scan.complaints[position]:
            yield Finding("unreadable image", (line,), scan.complaints[position])
        if odd[position]:
            width, height = scan.sizes[position]
            yield Finding("unusual size", (line,), f"{width} x {height} pixels")
        if scan.contrast[position] < NO_CONTRAST:
            yield Finding("no contrast", (line,), f"brightness {scan.brightness[position]:.0f} of 255")
    for position in np.flatnonzero(outliers(scan.brightness, _LEAST_GREY)).tolist():
        middle = np.nanmedian(scan.brightness)
        detail = f"mean brightness {scan.brightness[position]:.0f} of 255, the median is {middle:.0f}"
        yield Finding("unusual brightness", (lines[position],), detail)


def _twin_findings(rows: pd.DataFrame, twins: Sequence[Twin]) -> Iterator[Finding]:
    lines = rows["row"].tolist()
    for twin in twins:
        pair = (lines[twin.first], lines[twin.second])
        alike = "the same pixels" if twin.identical else f"correlation {twin.similarity:.4f}"
        yield Finding("identical images" if twin.identical else "near-duplicate images", pair, alike)
        for column, kind in (
            ("label", "one image, two labels"),
            ("split", "twins across the split"),
            ("group", "twins in two groups"),
        ):
            if column not in rows.columns:
                continue
            one, other = str(rows[column].iat[twin.first]), str(rows[column].iat[twin.second])
            if one and other and _side(column, one) != _side(column, other):
                # Groups may be patients' ids: not told.
                told = "" if column == "group" else f"{one} and {other}; "
                yield Finding(kind, pair, told + alike)


def _side(column: str, value: str) -> str:
    return SIDES.get(value.lower(), value) if column == "split" else value


def _group_findings(rows: pd.DataFrame) -> Iterator[Finding]:
    if not {"group", "split"} <= set(rows.columns):
        return
    known = rows[(rows["group"] != "") & rows["split"].str.lower().isin(list(SIDES))]
    sides = known["split"].str.lower().map(SIDES)
    torn = sides.groupby(known["group"]).nunique()
    for _, same in known[known["group"].isin(torn.index[torn > 1])].groupby("group", sort=False):
        parts: Mapping[str, int] = Counter(sides.loc[same.index])
        detail = ", ".join(f"{count} in {part}" for part, count in parts.items())
        yield Finding("group across the split", tuple(int(row) for row in same["row"]), detail)


def _class_findings(rows: pd.DataFrame) -> Iterator[Finding]:
    if "label" not in rows.columns:
        return
    for label, members in rows[rows["label"] != ""].groupby("label"):
        groups = members["group"].nunique() if "group" in rows.columns else len(members)
        if groups < FOLDS:
            lesions = several(groups, "lesion or patient", "lesions or patients")
            of_group = f" of {lesions}" if groups < len(members) else ""
            yield Finding("small class", (), f"{label}: {several(len(members), 'image')}{of_group}")


def _notes(rows: pd.DataFrame, whole: bool) -> Iterator[str]:
    if "label" not in rows.columns:
        yield "The table has no column of classes: they were not checked."
    if "group" not in rows.columns:
        yield (
            "The table has no column of lesions or patients: whether a split leaks them cannot be told, only "
            "whether it leaks images that look the same."
        )
    if "split" in rows.columns:
        sides = set(rows["split"].str.lower().map(SIDES))
        absent = [side for side in ("train", "test") if side not in sides]
        if absent:
            yield (
                f"The split has no {' and no '.join(absent)} part, so lesioncare train cannot use it: name "
                "the parts, or remove the column, and lesioncare deals folds."
            )
    if not whole:
        yield f"More than {MAX_TWINS} pairs of images are alike; only the first were looked at."
