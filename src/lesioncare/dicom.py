"""Reading one DICOM file as 8-bit RGB, as a viewer would show it; pydicom is loaded when the first is read.

DICOM: the standard PS3.3, sections C.7.6.3 (image pixels), C.7.6.16.2 (functional groups), C.11.1 (modality
LUT) and C.11.2 (VOI LUT).
"""

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lesioncare.errors import DataError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})

Floats = npt.NDArray[np.float64]
# What pydicom and the decoders behind it raise on damaged files.
_DAMAGE = (
    *(OSError, ValueError, AttributeError, LookupError, TypeError, EOFError, NotImplementedError),
    *(RuntimeError, ArithmeticError, struct.error),
)
# "Enhanced" images keep in functional groups what others have at the top: C.7.6.16.2.9 and C.7.6.16.2.10.
_FRAME_GROUPS = {
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope"),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
}

__all__ = ["DICOM_SUFFIXES", "dicom_patient", "dicom_size", "is_dicom", "read_dicom"]


def _damage() -> tuple[type[Exception], ...]:
    from pydicom.errors import BytesLengthException, InvalidDicomError  # noqa: PLC0415  pydicom is there by now

    return (*_DAMAGE, BytesLengthException, InvalidDicomError)


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM, by its suffix or by the mark in its header."""
    if path.suffix.lower() in DICOM_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_dicom(path: Path, max_pixels: int) -> npt.NDArray[np.uint8]:
    """Decode a DICOM image of one frame.

    A grey image goes through its modality LUT or rescale and its VOI LUT or window (the first one). Without
    either, up to 8 bits are taken as they are stored, and more are stretched from the darkest to the
    brightest pixel, padding left out. MONOCHROME1 is inverted: 255 is bright. Of an "enhanced" image,
    rescale and window are those of its functional groups.

    Args:
        path: the file.
        max_pixels: larger images are refused before their pixels are decoded.

    Returns:
        RGB [height, width, 3].

    Raises:
        DataError: the file is missing, no DICOM, damaged, of a coding that cannot be decoded, without an
            image, too large, or of several frames. The message names the file and the remedy, no patient.
    """
    dataset = _open(path, pixels=True)
    _check_image(dataset, path, max_pixels)
    try:
        _lift_frame_groups(dataset)
        grey = int(dataset.SamplesPerPixel) == 1 and dataset.PhotometricInterpretation != "PALETTE COLOR"
        scaled = 255 * _grey(dataset) if grey else _colour(dataset)
        image: npt.NDArray[np.uint8] = scaled.round().astype(np.uint8)
        if image.shape[:2] != (dataset.Rows, dataset.Columns) or image.ndim != (2 if grey else 3):
            raise ValueError("there are more pixels than the header says")
    except _damage() as error:
        raise DataError(
            f"{path}: the image cannot be decoded ({_reason(error)}). Replace the file."
        ) from error
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def dicom_size(path: Path, max_pixels: int) -> tuple[int, int]:
    """Width and height in pixels, from the header.

    Raises:
        DataError: as for `read_dicom`.
    """
    dataset = _open(path, pixels=False)
    _check_image(dataset, path, max_pixels)
    return int(dataset.Columns), int(dataset.Rows)


def dicom_patient(path: Path) -> str | None:
    """The patient's id as the header has it, None where it has none. Never write it anywhere: hash it.

    Raises:
        DataError: the file is missing or no DICOM, or its patient's id is damaged.
    """
    header = _open(path, pixels=False)
    try:
        return str(header.get("PatientID", "") or "").strip() or None
    except _damage() as error:  # a value is parsed when it is first asked for
        raise DataError(f"{path}: the patient's id cannot be read. Replace the file.") from error


def _open(path: Path, *, pixels: bool) -> "Dataset":
    from pydicom import dcmread  # noqa: PLC0415  slow to load, and most images are no DICOM

    try:
        return dcmread(path, stop_before_pixels=not pixels)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such image file.") from error
    except _damage() as error:
        raise DataError(f"{path}: not a readable DICOM file. Replace the file.") from error


def _check_image(dataset: "Dataset", path: Path, max_pixels: int) -> None:
    try:
        frames = int(dataset.get("NumberOfFrames", 1) or 1)
        width, height = int(dataset.Columns), int(dataset.Rows)
    except _damage() as error:
        raise DataError(f"{path}: a DICOM file without an image. Leave it out.") from error
    if frames > 1:
        raise DataError(
            f"{path}: a DICOM file of {frames} frames, a film or a volume. Save the frames that you mean as "
            "files of their own."
        )
    if width < 1 or height < 1 or width * height > max_pixels:
        raise DataError(f"{path}: the image claims {width}x{height} pixels; the limit is {max_pixels}.")


def _lift_frame_groups(dataset: "Dataset") -> None:
    """Put rescale and window of the only frame at the top, where pydicom looks; the frame's own come last."""
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for name, fields in _FRAME_GROUPS.items():
            values = [item for group in (dataset.get(groups) or [])[:1] for item in group.get(name) or []][:1]
            for element in (item[field] for item in values for field in fields if field in item):
                dataset.add(element)


def _colour(dataset: "Dataset") -> Floats:
    from pydicom.pixels import apply_color_lut, pixel_array  # noqa: PLC0415  as above

    pixels = pixel_array(dataset)  # YBR is converted to RGB
    bits = int(dataset.BitsStored)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
        bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
    colour: Floats = np.asarray(pixels[..., :3], np.float64) * (255 / (2**bits - 1))
    return colour


def _grey(dataset: "Dataset") -> Floats:
    """The image in [0, 1], bright is 1."""
    from pydicom.pixels import apply_modality_lut, pixel_array  # noqa: PLC0415  as above

    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    stored = pixel_array(dataset)
    values = np.asarray(apply_modality_lut(stored, dataset), np.float64)
    if dataset.get("VOILUTSequence"):
        shown = _looked_up(values, dataset)
    elif dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None:
        centre, width = _first(dataset.WindowCenter), _first(dataset.WindowWidth)
        shown = _windowed(values, centre, width, str(dataset.get("VOILUTFunction", "") or "LINEAR"))
    elif int(dataset.BitsStored) <= 8 and int(dataset.PixelRepresentation) == 0:
        shown = np.asarray(stored, np.float64) / (2 ** int(dataset.BitsStored) - 1)
    else:
        padding = _padding(stored, dataset)
        shown = np.where(padding, float(inverted), _stretched(values, padding))  # black once it is turned
    return 1 - shown if inverted else shown


def _padding(stored: npt.NDArray[np.generic], dataset: "Dataset") -> npt.NDArray[np.bool_]:
    """Which pixels are no image: of the padding value, or up to its limit (PS3.3, C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    pixels = np.asarray(stored, np.int64)
    return (pixels >= low) & (pixels <= high)


def _looked_up(values: Floats, dataset: "Dataset") -> Floats:
    from pydicom.pixels import apply_voi  # noqa: PLC0415  as above

    bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
    shown = np.asarray(apply_voi(values.round().astype(np.int64), dataset, index=0), np.float64)
    return np.asarray(np.clip(shown / (2**bits - 1), 0, 1), np.float64)


def _windowed(values: Floats, centre: float, width: float, function: str) -> Floats:
    """A window in [0, 1]: PS3.3, C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID) and .2 (LINEAR_EXACT)."""
    if function == "SIGMOID" and width > 0:
        shown: Floats = 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
        return shown
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    if width <= 0:  # a threshold
        return np.asarray(values > centre, np.float64)
    return np.clip((values - centre) / width + 0.5, 0, 1)


def _stretched(values: Floats, padding: npt.NDArray[np.bool_]) -> Floats:
    real = values[~padding]
    low, high = (real.min(), real.max()) if real.size else (0.0, 0.0)
    if low == high:
        return np.zeros_like(values)
    return np.clip((values - low) / (high - low), 0, 1)


def _first(value: Any) -> float:
    """The first of the values of a window, of which a file may hold several."""
    return float(value) if isinstance(value, int | float | str) else float(value[0])


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
