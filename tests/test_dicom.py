import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.pixels import apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, SecondaryCaptureImageStorage

from lesioncare import images
from lesioncare.dicom import dicom_patient, is_dicom
from lesioncare.errors import DataError
from lesioncare.images import image_size, read_image

RAMP = np.array([[0, 100, 200], [300, 400, 1000]], np.uint16)


def dataset(pixels, **fields):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    made.PatientID, made.PatientName = "MRN-4711", "Doe^Jane"
    made.Rows, made.Columns = pixels.shape[:2]
    made.SamplesPerPixel = pixels.shape[2] if pixels.ndim == 3 else 1
    if made.SamplesPerPixel == 3:
        made.PlanarConfiguration = 0
    made.PhotometricInterpretation = "RGB" if made.SamplesPerPixel == 3 else "MONOCHROME2"
    made.BitsAllocated = 8 * pixels.dtype.itemsize
    made.BitsStored = made.BitsAllocated
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def save(tmp_path):
    def save(pixels, name="a.dcm", **fields):
        path = tmp_path / name
        made = dataset(pixels, **fields)
        made.save_as(path, enforce_file_format=True)
        return path

    return save


def grey(path):
    image = np.asarray(read_image(path))
    assert image.shape == (*reversed(image_size(path)), 3)
    assert (image == image[..., :1]).all()
    return image[..., 0].ravel().tolist()


def test_a_window_is_applied_by_the_standard(save):
    # PS3.3 C.11.2.1.2.1 by hand: ((x - (200 - .5)) / (201 - 1) + .5) * 255 is 127.5 + .6375 at x = 200
    path = save(RAMP, WindowCenter=200, WindowWidth=201)
    assert grey(path) == [0, 1, 128, 255, 255, 255]


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_windows_agree_with_pydicom(save, function, dtype):
    fields = {"WindowCenter": [250, 9], "WindowWidth": [333, 9], "BitsStored": 12, "HighBit": 11}
    fields |= {"RescaleSlope": 2, "RescaleIntercept": -100} | (
        {"VOILUTFunction": function} if function else {}
    )
    pixels = RAMP.astype(dtype)
    path = save(pixels, **fields)
    shown = apply_voi_lut(pixels * 2.0 - 100, pydicom.dcmread(path))
    low, high = (0, 4095) if dtype is np.uint16 else (-2048, 2047)
    expected = (shown - (2 * low - 100)) / (2 * (high - low)) * 255
    np.testing.assert_allclose(grey(path), expected.ravel(), atol=0.51)


def test_monochrome1_is_inverted(save):
    path = save(np.array([[0, 55], [200, 255]], np.uint8), PhotometricInterpretation="MONOCHROME1")
    assert grey(path) == [255, 200, 55, 0]


def test_eight_bits_without_a_window_stay_as_they_are(save):
    assert grey(save(np.array([[10, 20], [30, 40]], np.uint8))) == [10, 20, 30, 40]


def test_more_bits_without_a_window_are_stretched_without_the_padding(save):
    pixels = np.array([[0, 1000], [2000, 3000]], np.uint16)
    assert grey(save(pixels, PixelPaddingValue=0)) == [0, 0, 128, 255]


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_may_be_a_range_and_is_black(save, kind):
    pixels = np.array([[0, 7, 1000], [1500, 2000, 3000]], np.uint16)  # 0 to 9 are no image
    fields = {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 9, "PhotometricInterpretation": kind}
    expected = [0, 0, 0, 64, 128, 255] if kind == "MONOCHROME2" else [0, 0, 255, 191, 128, 0]
    assert grey(save(pixels, **fields)) == expected


def test_a_voi_lut_is_looked_up(save):
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = [4, 0, 8], np.array([0, 10, 200, 255], np.uint16).tobytes()
    path = save(np.array([[0, 1], [2, 9]], np.uint16), VOILUTSequence=Sequence([table]))
    assert grey(path) == [0, 10, 200, 255]


def within(**fields):
    """A sequence of one item."""
    item = pydicom.Dataset()
    for name, value in fields.items():
        setattr(item, name, value)
    return Sequence([item])


@pytest.mark.parametrize("where", ["Shared", "PerFrame"])
def test_rescale_and_window_of_enhanced_images_are_in_their_functional_groups(save, where):
    groups = within(
        PixelValueTransformationSequence=within(RescaleIntercept=-100, RescaleSlope=2, RescaleType="US"),
        FrameVOILUTSequence=within(WindowCenter=300, WindowWidth=401, VOILUTFunction="LINEAR"),
    )
    path = save(RAMP, NumberOfFrames=1, **{f"{where}FunctionalGroupsSequence": groups})
    # By hand: 200 is 2 * 200 - 100 = 300 units, and (300 - 299.5) / 400 + .5 of 255 is 127.8
    assert grey(path) == [0, 0, 128, 255, 255, 255]
    plain = {"RescaleIntercept": -100, "RescaleSlope": 2, "WindowCenter": 300, "WindowWidth": 401}
    assert grey(path) == grey(save(RAMP, name="plain.dcm", **plain))


def test_a_frame_s_own_window_counts_before_the_shared_one(save):
    shared = within(
        FrameVOILUTSequence=within(WindowCenter=9, WindowWidth=9),
        PixelValueTransformationSequence=within(RescaleIntercept=0, RescaleSlope=1),
    )
    own = within(FrameVOILUTSequence=within(WindowCenter=200, WindowWidth=201))
    path = save(RAMP, SharedFunctionalGroupsSequence=shared, PerFrameFunctionalGroupsSequence=own)
    assert grey(path) == grey(save(RAMP, name="plain.dcm", WindowCenter=200, WindowWidth=201))


def test_functional_groups_without_a_window_leave_the_image_as_it_is(save):
    for groups in (Sequence([]), within(FrameVOILUTSequence=Sequence([]))):
        path = save(np.array([[10, 20], [30, 40]], np.uint8), SharedFunctionalGroupsSequence=groups)
        assert grey(path) == [10, 20, 30, 40]


def test_colour_is_kept(save):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    assert (np.asarray(read_image(save(pixels))) == pixels).all()


def test_compressed_pixels_are_decoded(tmp_path, save):
    plain = dataset(RAMP, WindowCenter=200, WindowWidth=201)
    plain.compress(RLELossless)
    plain.save_as(tmp_path / "rle.dcm", enforce_file_format=True)
    assert grey(tmp_path / "rle.dcm") == grey(save(RAMP, WindowCenter=200, WindowWidth=201))


@pytest.mark.parametrize(
    "name",  # JPEG lossless, JPEG 2000, JPEG-LS, run lengths
    ["SC_rgb_jpeg_gdcm.dcm", "JPEG2000.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_RLE.dcm"],
)
def test_pydicoms_own_examples_are_read(name):
    path = pydicom.data.get_testdata_file(name, download=False)
    assert np.ptp(np.asarray(read_image(images.Path(path)))) > 100


def test_films_are_refused_clearly(save):
    path = save(np.zeros((2, 2), np.uint8), NumberOfFrames=7, PixelData=b"\0" * 28)
    for read in (read_image, image_size):
        with pytest.raises(DataError, match=r"a\.dcm: a DICOM file of 7 frames"):
            read(path)


def test_what_is_no_dicom_image_is_refused(tmp_path, save):
    (tmp_path / "text.dcm").write_text("no")
    (tmp_path / "empty.dicom").write_bytes(b"")
    for name in ("text.dcm", "empty.dicom", "missing.dcm"):
        with pytest.raises(DataError, match=name):
            read_image(tmp_path / name)
    cut = save(RAMP, PixelData=RAMP.tobytes()[:4])
    with pytest.raises(DataError, match="cannot be decoded") as told:
        read_image(cut)
    assert "4711" not in str(told.value)
    assert "Doe" not in str(told.value)


def test_huge_dicoms_are_refused_by_their_header(save, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 5)
    for read in (read_image, image_size):
        with pytest.raises(DataError, match="3x2 pixels"):
            read(save(RAMP))


def test_files_without_a_suffix_are_known_by_their_header(save):
    path = save(RAMP, name="IM000001")
    assert is_dicom(path)
    assert grey(path)[-1] == 255


def test_the_patient_is_read_for_groups_only(save):
    assert dicom_patient(save(RAMP)) == "MRN-4711"
    assert dicom_patient(save(RAMP, PatientID="")) is None


@pytest.mark.filterwarnings("ignore")  # pydicom's own, of what it finds odd and reads all the same
@pytest.mark.parametrize("value", [0x00, 0x01, 0xFF])
def test_any_damaged_byte_gives_an_image_or_one_error(save, value):
    path, told = save(RAMP, WindowCenter=200, WindowWidth=201), []
    content = path.read_bytes()
    for place in range(128, len(content) - RAMP.nbytes):
        path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
        for read in (read_image, image_size, dicom_patient):
            try:
                read(path)
            except DataError as error:
                told.append(str(error))
    assert len(told) > 50
    assert all("a.dcm" in message and "4711" not in message for message in told)
