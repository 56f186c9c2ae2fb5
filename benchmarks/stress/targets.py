"""The public functions that take arrays and the readers of files that fuzz.py feeds, and with what."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from strategies import finite_boxes, mostly, plans, tables, torn
from torch import nn

from lesioncare.attention import AttentionGuide, Regions, clip_boxes
from lesioncare.boxes.box import Box
from lesioncare.boxes.boxset import BoxSet
from lesioncare.data import Columns, load_table
from lesioncare.data.splits import assign_folds
from lesioncare.dicom import dicom_patient, dicom_size, read_dicom
from lesioncare.evaluation import (
    Predictions,
    area_share,
    calibration,
    centre_energy,
    compare,
    energy_in_box,
    evaluate,
    interval,
    pointing_hit,
)
from lesioncare.experiment import ComparisonConfig, read_plan
from lesioncare.images import image_size, read_image
from lesioncare.imbalance import (
    BalancedSoftmaxLoss,
    ClassDraw,
    CrossEntropyLoss,
    FocalLoss,
    LDAMLoss,
    Mixer,
    Power,
    SeesawLoss,
    adjust_logits,
    effective_number,
    inverse_frequency,
    rare_classes,
    tau_normalise,
)
from lesioncare.rawtable import read_header, read_raw_table

__all__ = ["TARGETS"]

numbers = st.one_of(st.floats(), st.integers(-5, 40), st.sampled_from([0, 1, 31.5, 32, 1e308, -0.0]))
shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
any_array = arrays.arrays(st.sampled_from([np.float32, np.float64, np.int64, np.bool_]), shapes)
any_tensor = any_array.map(torch.from_numpy)
corners = st.lists(st.tuples(*[numbers] * 4), max_size=3).map(
    lambda rows: torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
)
any_boxes = st.lists(st.one_of(corners, corners, any_tensor), max_size=4)
three_boxes = st.lists(corners, min_size=3, max_size=3)
right_boxes = st.lists(finite_boxes, min_size=3, max_size=3)
labels = st.one_of(st.lists(st.integers(-1, 3), min_size=3, max_size=3).map(torch.tensor), any_tensor)
codes = st.one_of(any_array, arrays.arrays(np.int64, 4, elements=st.integers(-1, 3)))
scores = st.one_of(any_array, arrays.arrays(np.float64, (4, 3)))
counts = st.one_of(any_array, st.lists(st.integers(-1, 10**9), max_size=4), st.just([50, 7, 2]))
ids = st.lists(st.integers(0, 2), min_size=12, max_size=12).map(np.array)
four = st.lists(st.integers(-1, 2), min_size=4, max_size=4).map(np.array)
finite = arrays.arrays(np.float64, (4, 3), elements=st.floats(-1e6, 1e6))
one_target = st.shared(st.one_of(codes, four), key="target")
valid = st.lists(st.integers(0, 2), min_size=3, max_size=3).map(torch.tensor)
grids = st.one_of(
    any_tensor, arrays.arrays(np.float32, (2, 3, 3), elements=st.floats(width=32)).map(torch.from_numpy)
)
NETWORK = nn.Sequential(
    nn.Conv2d(3, 4, 3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
)
IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def guide(target: torch.Tensor, boxes: Any, more: dict[str, Any]) -> None:
    watcher = AttentionGuide(NETWORK)
    with watcher.watch():
        logits = NETWORK(IMAGES)
    loss = watcher.combine(logits.square().mean(), target, boxes, **more)
    if not loss.isfinite():
        raise ArithmeticError(f"the loss is {loss}")


def regions(boxes: torch.Tensor, masks: torch.Tensor) -> None:
    kept, _ = clip_boxes(boxes, (32, 32))
    if len(kept):
        Regions([kept], (32, 32), (4, 4)).areas  # noqa: B018
    found = Regions.from_masks(masks, (2, 2))
    found.areas, found.distance  # noqa: B018


def box(image: Any, edges: tuple[Any, ...], score: Any) -> None:
    found = BoxSet.of([Box(image, *edges, score=score)], {image: (32, 32)})
    found.at_least(0.5).by_image()


def folds(codes: Any, groups: Any, n_folds: int, seed: int) -> None:
    assign_folds(codes, groups, n_folds=n_folds, seed=seed)


def _predictions(target: Any, logits: Any, places: Any = None) -> Predictions:
    n = len(np.atleast_1d(target))
    names = np.array([f"{row}" for row in range(n)], dtype=str)
    undefined = np.full(n, np.nan) if places is None else places
    return Predictions(
        image=names,
        path=names,
        group=names,
        target=target,
        logits=logits,
        classes=("a", "b", "c"),
        boxes=tuple(np.empty((0, 4)) for _ in range(n)),
        **dict.fromkeys(("energy", "pointing", "area_share", "centre_energy"), undefined),
    )


def metrics(target: Any, logits: Any, places: Any) -> None:
    evaluate(_predictions(target, logits, places), ("c",), {"a": 10, "b": 5, "c": 1})


def two_models(target: Any, logits: Any, other_target: Any, other_logits: Any) -> None:
    a, b = _predictions(target, logits), _predictions(other_target, other_logits)
    prior = {"a": 10, "b": 5, "c": 1}
    interval(a, ("c",), prior, n_resamples=5)
    compare(a, b, ("c",), prior, n_resamples=5)


def reliability(target: Any, logits: Any, other_target: Any, other_logits: Any) -> None:
    other = _predictions(other_target, other_logits)
    elsewhere = np.array([f"v{row}" for row in range(len(other))], dtype=str)
    moved = vars(other) | dict.fromkeys(("image", "path", "group"), elsewhere)
    for validation in (None, Predictions(**moved)):
        calibration(_predictions(target, logits), validation)


def places(cam: torch.Tensor, inside: torch.Tensor, outside: torch.Tensor) -> None:
    for function in (energy_in_box, pointing_hit):
        function(cam, inside, outside)
    area_share(inside, outside)
    centre_energy(inside, outside)


def losses(counts: Any, logits: torch.Tensor, target: torch.Tensor) -> None:
    made = (
        CrossEntropyLoss(),
        FocalLoss(),
        LDAMLoss(counts),
        SeesawLoss(counts),
        BalancedSoftmaxLoss(counts),
    )
    for loss in made:
        loss(logits, target)


def weights(counts: Any, beta: float, matrix: torch.Tensor, tau: float) -> None:
    inverse_frequency(counts)
    effective_number(counts, beta)
    tau_normalise(matrix, tau)


def adjusted(logits: Any, prior: Any, tau: float) -> None:
    adjust_logits(logits, prior, tau)


def draw(labels: Any, classes: int) -> None:
    ClassDraw(labels, classes, Power(0.0)).keys(0, 0)


def rare(counts: dict[str, int], choice: Any) -> None:
    rare_classes(counts, choice)


def mix(kind: Any, labels: torch.Tensor, boxes: list[torch.Tensor], seed: int) -> None:
    mixer = Mixer(kind, 1.0, 4, (32, 32))
    trust = [torch.ones(len(one)) for one in boxes]
    mixer(IMAGES, labels, boxes, trust, np.random.default_rng(seed))


def _of_file(name: str, *functions: Callable[[Path], Any]) -> Callable[[bytes], None]:
    def read(content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            for other in ("a.png", "b.png"):
                if other != name:
                    Image.new("RGB", (9, 9)).save(Path(folder) / other)
            (Path(folder) / "t.csv").write_bytes(BOXED[0])
            (Path(folder) / "u.csv").write_bytes(BOXED[1])
            for function in functions:
                function(path)

    return read


def _encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((16, 12), 50).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def _dicom(bits: int) -> bytes:
    from pydicom.dataset import FileDataset, FileMetaDataset  # noqa: PLC0415
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid  # noqa: PLC0415

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["fuzz"])
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.PatientID, made.Rows, made.Columns, made.SamplesPerPixel = "p", 6, 8, 1
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = bits, bits, bits - 1, 0
    made.PhotometricInterpretation = "MONOCHROME2"
    made.WindowCenter, made.WindowWidth, made.RescaleSlope, made.RescaleIntercept = 20, 30, 1, 0
    made.PixelData = np.arange(48, dtype=f"u{bits // 8}").tobytes()
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _csv_of_predictions() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        _predictions(np.array([0, 1, 2, -1]), np.eye(4, 3)).to_csv(Path(folder) / "p.csv")
        return (Path(folder) / "p.csv").read_bytes()


def _guessed(path: Path) -> None:
    load_table(path, Columns.guess(read_header(path)))


def _plan(path: Path) -> None:
    ComparisonConfig.build(read_plan(path))


TABLES = [
    b"image,label\na,x\nb,y\n",
    b'\xef\xbb\xbfimage;label\r\n"a;b";x\r\n',
    b'image\tlabel\n"a\nb"\tx\n',
]
BOXED = [
    b"image,label,group,split,x1,y1,x2,y2\na.png,x,g,train,1,1,5,5\na.png,x,g,train,2,2,6,6\n"
    b"b.png,y,h,test,,,,\n",
    b"image,label\na.png,x\nb.png,y\n",
    b"image,label\na.png,x\n./a.png,y\n",
]
PLANS = [
    b"table: t.csv\narms: ce,care\nfolds: 0,1/10\nseeds: 2\nmodel: {name: resnet18, freeze: auto}\n",
    b"table: t.csv\narms:\n  plain: {attention: none}\n  care: {attention: care-all, boxes: {file: b.csv}}\n"
    b"  late: {schedule: {epochs: 3}, remedy: {method: focal}}\nseeds: [0, 5]\ndata: {rare: [a, b]}\n",
    b"a: &a [1, 2]\nb: *a\nc: 2001-01-01\nd: !!python/object:os.system {}\n",
]
shares = st.one_of(numbers, st.floats(0, 1))
more = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"weights": st.lists(any_tensor, max_size=4)}),
    st.fixed_dictionaries({"box_labels": st.lists(any_tensor, max_size=4)}),
)
one_mask = st.floats(0, 1).map(lambda share: torch.full((32, 32), share))
some_shares = arrays.arrays(np.float32, (2, 6, 5), elements=st.floats(0, 1, width=32)).map(torch.from_numpy)
three_counts = st.lists(st.integers(1, 10**6), min_size=3, max_size=3)
three_logits = arrays.arrays(np.float32, (3, 3), elements=st.floats(-99, 99, width=32)).map(torch.from_numpy)
some_masks = st.lists(st.none() | any_tensor | one_mask, min_size=3, max_size=3)
masked = st.fixed_dictionaries(
    {"masks": any_tensor | some_masks | st.lists(st.none() | one_mask, min_size=3, max_size=3)}
)

TARGETS: dict[str, tuple[Callable[..., None], list[st.SearchStrategy[Any]]]] = {
    "AttentionGuide.combine": (
        guide,
        [mostly(valid, labels), mostly(right_boxes, any_boxes), st.just({})],
    ),
    "AttentionGuide.combine, weights and box labels": (guide, [labels, three_boxes, more]),
    "AttentionGuide.combine, masks": (guide, [labels | valid, st.none(), masked]),
    "clip_boxes, Regions": (
        regions,
        [mostly(finite_boxes, st.one_of(corners, any_tensor)), mostly(some_shares, any_tensor)],
    ),
    "Box, BoxSet": (
        box,
        [st.text(max_size=6), st.tuples(*[numbers] * 2, *[st.floats(41, 99)] * 2), st.floats(0, 1) | numbers],
    ),
    "assign_folds": (
        folds,
        [any_array | ids, any_array | st.just(np.arange(12)), st.integers(-1, 9), st.integers(0, 9)],
    ),
    "Predictions, evaluate": (
        metrics,
        [mostly(four, codes), mostly(finite, scores), mostly(st.none(), any_array)],
    ),
    "compare, interval": (two_models, [one_target, scores | finite, one_target, scores | finite]),
    "calibration": (reliability, [mostly(four, codes), mostly(finite, scores)] * 2),
    "energy_in_box and the other places": (places, [grids, grids, grids]),
    "losses": (
        losses,
        [mostly(three_counts, counts), mostly(three_logits, any_tensor), mostly(valid, labels)],
    ),
    "class weights, tau_normalise": (
        weights,
        [
            mostly(three_counts, counts),
            mostly(st.floats(0, 1, exclude_max=True), shares),
            mostly(three_logits, any_tensor),
            mostly(st.floats(0, 1), shares),
        ],
    ),
    "adjust_logits": (adjusted, [scores, st.one_of(any_array, counts), numbers]),
    "ClassDraw": (draw, [mostly(ids, codes), mostly(st.integers(2, 3), st.integers(-1, 5))]),
    "rare_classes": (
        rare,
        [
            st.dictionaries(st.text(max_size=2), st.integers(-3, 99), max_size=4),
            st.one_of(st.just("auto"), st.lists(st.text(max_size=2), max_size=3)),
        ],
    ),
    "Mixer": (mix, [st.sampled_from(["mixup", "cutmix"]), labels, three_boxes, st.integers(0, 99)]),
    "read_image": (
        _of_file("a.png", image_size, read_image),
        [torn([_encoded(kind) for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF")])],
    ),
    "read_dicom": (
        _of_file(
            "a.dcm", lambda path: read_dicom(path, 10**6), lambda path: dicom_size(path, 10**6), dicom_patient
        ),
        [torn([_dicom(8), _dicom(16)])],
    ),
    "read_raw_table": (_of_file("a.csv", read_raw_table), [st.one_of(st.binary(max_size=40), torn(TABLES))]),
    "load_table": (_of_file("a.csv", load_table, _guessed), [st.one_of(tables(), torn(BOXED))]),
    "read_plan, ComparisonConfig": (
        _of_file("plan.yaml", _plan),
        [st.one_of(st.binary(max_size=30), torn(PLANS), plans(), plans())],
    ),
    "Predictions.from_csv": (_of_file("p.csv", Predictions.from_csv), [torn([_csv_of_predictions()])]),
}
