"""Sets of boxes, and what each format is to hold of them: written by hand, not taken from the code."""

from dataclasses import replace

from hypothesis import strategies as st
from PIL import Image

from lesioncare.boxes import Box, BoxSet

SIZES = {
    "a.png": (40, 30),
    "Läsion 3 (rechts).jpg": (31, 17),
    "病変/01.png": (64, 48),
    "x&<y>'\";,=1.png": (20, 20),
    "without.jpg": (33, 21),
}
CLASSES = ("nv", "Mélanome <1 mm>", "bcc, \"&'", "黒色腫", "unused")

SAMPLE = BoxSet(
    (
        Box("a.png", 1.5, 2, 20.125, 18.25, label="nv", source="mbd", score=0.5),
        Box("a.png", 0, 0, 40, 30, label="黒色腫"),
        Box(
            "a.png",
            0.2,
            0.25,
            0.9,  # 0.2 + (0.9 - 0.2) is not 0.9
            29.999999999999996,
            label="nv",
            source="segmentation:Ünet",
            score=1 / 3,
        ),
        Box("病変/01.png", -0.75, 3, 70.5, 20, label="Mélanome <1 mm>", source="mbd", score=0.0),
        Box("Läsion 3 (rechts).jpg", 3, 4, 5, 6),
        Box("x&<y>'\";,=1.png", 3.3, 4.4, 5.5, 6.6, label="bcc, \"&'", score=0.25),
    ),
    SIZES,
    CLASSES,
)

MILLIONTH = 1.001e-6  # of a pixel: what rounding may move, and rounding of the rounded
ALL = {"label", "source", "score", "unlabelled", "size", "classes", "exact"}
HOLDS = {
    "coco": ALL,
    "voc": ALL - {"classes"},
    "yolo": {"label", "classes", "size"},  # the size is in the image, which reading needs
    "csv": ALL - {"classes"},
    "rsna": set(),
    "parquet": ALL,
    "labelstudio": ALL - {"classes", "exact"},
}
TARGETS = {
    "coco": "boxes.json",
    "voc": "annotations",
    "yolo": "dataset",
    "csv": "boxes.csv",
    "rsna": "rsna.csv",
    "parquet": "boxes.parquet",
    "labelstudio": "tasks.json",
}


def draw_images(folder):
    for name, size in SIZES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(folder / name)
    return folder


def kept(boxset, name):
    """What reading gives back once the format `name` has lost what it cannot hold."""
    holds = HOLDS[name]
    boxes = [_kept(box, holds) for box in boxset.boxes]
    images = boxset.images if "size" in holds else dict.fromkeys(boxset.images)
    labels = {box.label for box in boxes if box.label}
    listed = [*boxset.classes, *sorted(labels - set(boxset.classes))]
    return BoxSet(tuple(boxes), images, tuple(listed if "classes" in holds else sorted(labels)))


def _kept(box, holds):
    box = box if "source" in holds else replace(box, source="manual")
    box = box if "score" in holds else replace(box, score=1.0)
    if "label" not in holds:
        return replace(box, label=None)
    return box if box.label or "unlabelled" in holds else replace(box, label="unlabelled")


def assert_same(actual, expected, *, exact):
    assert dict(actual.images) == dict(expected.images)
    assert actual.classes == expected.classes
    assert len(actual.boxes) == len(expected.boxes)
    left = list(actual.boxes)  # in any order: a format may sort boxes by image and source
    for box in expected.boxes:
        match = next((other for other in left if _match(box, other, 0 if exact else MILLIONTH)), None)
        assert match is not None, (box, left)
        left.remove(match)


def _match(one, other, slack):
    near = all(abs(a - b) <= slack for a, b in zip(one.xyxy, other.xyxy, strict=True))
    return near and replace(one, x1=0, y1=0, x2=1, y2=1) == replace(other, x1=0, y1=0, x2=1, y2=1)


def lengths(limit):
    return st.floats(0, limit, allow_nan=False, allow_subnormal=False)


@st.composite
def boxes(draw):
    image = draw(st.sampled_from(sorted(SIZES)))
    (x1, y1), (width, height) = ((draw(lengths(15)), draw(lengths(15))) for _ in range(2))
    return Box(
        image,
        x1,
        y1,
        x1 + 2 + width,
        y1 + 2 + height,
        label=draw(st.sampled_from([*CLASSES, None])),
        source=draw(st.sampled_from(["manual", "mbd", "segmentation:Ünet"])),
        score=draw(st.floats(0, 1)),
    )


boxsets = st.builds(
    lambda found, bare, classes: BoxSet.of(
        found,
        {image: SIZES[image] for image in [*bare, *(box.image for box in found)]},
        classes=[*classes, *sorted({box.label for box in found if box.label} - set(classes))],
    ),
    st.lists(boxes(), max_size=6),
    st.lists(st.sampled_from(sorted(SIZES)), max_size=3),
    st.permutations(CLASSES).map(lambda names: names[:3]),
)
