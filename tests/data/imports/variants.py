"""Miniature copies of layouts that are published in a second form, as popular copies of a data set are."""

from pathlib import Path

from .copies import Copy, lines, picture


def tbx_simplified(root: Path) -> None:
    base = root / "tbx11k-simplified"
    lines(
        base / "data.csv",
        "fname,image_height,image_width,source,bbox,target,tb_type,image_type",
        "h0001.png,512,512,train,none,no_tb,none,healthy",
        "s0001.png,512,512,val,none,no_tb,none,sick_but_no_tb",
        "tb0001.png,512,512,train,\"{'xmin': 8, 'ymin': 16.5, 'width': 32, 'height': 64}\",tb,active_tb,tb",
        "tb0002.png,512,512,train,\"{'xmin': 8, 'ymin': 16, 'width': 32, 'height': 64}\",tb,active_tb,tb",
        "tb0002.png,512,512,train,\"{'xmin': 80, 'ymin': 0, 'width': 8, 'height': 8}\",tb,latent_tb,tb",
        "tb0003.png,512,512,val,\"{'xmin': 8, 'ymin': 16, 'width': 32, 'height': 64}\",tb,latent_tb,tb",
    )
    for seed, name in enumerate(("h0001", "s0001", "tb0001", "tb0002", "tb0003")):
        side = 256 if name == "tb0003" else 512  # a copy that the user made smaller
        picture(base / "images" / f"{name}.png", seed, (side, side))
    picture(base / "test" / "tb0001.png", 9)


def nih_sample(root: Path) -> None:
    base = root / "sample"
    lines(
        base / "sample_labels.csv",
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImageWidth,OriginalImageHeight,OriginalImagePixelSpacing_x,OriginalImagePixelSpacing_y",
        "00000013_005.png,Emphysema|Infiltration|Pneumothorax,5,90013,060Y,M,AP,3056,2544,0.139,0.139",
        "00000013_026.png,Cardiomegaly,26,90013,057Y,M,AP,2500,2048,0.168,0.168",
        "00000017_001.png,No Finding,1,90017,077Y,M,AP,2500,2048,0.168,0.168",
        "00000030_001.png,Atelectasis,1,90030,079Y,M,PA,2992,2991,0.143,0.143",
    )
    for seed, name in enumerate(("13_005", "13_026", "17_001", "30_001")):
        picture(base / "sample" / "images" / f"000000{name}.png", seed)


def vindr_resized(root: Path) -> None:
    base = root / "vinbigdata"
    lines(
        base / "train.csv",
        "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max,width,height",
        "aa,Nodule/Mass,8,R1,100.0,200.0,500.0,800.0,2000,3000",
        "aa,Nodule/Mass,8,R2,150.0,200.0,500.0,800.0,2000,3000",
        "aa,No finding,14,R3,,,,,2000,3000",
        *(f"bb,No finding,14,R{reader},,,,,2048,2048" for reader in (1, 2, 3)),
    )
    for seed, name in enumerate(("aa", "bb")):
        picture(base / "train" / f"{name}.png", seed, (500, 500))  # squeezed, whatever it was


_VINDR = "vinbigdata/train/"
_NIH = "sample/sample/images/000000"
_TBX = "tbx11k-simplified/images/"
VARIANTS = {
    "chestxray14 sample": Copy(
        nih_sample,
        {f"{_NIH}13_026.png": "Cardiomegaly", f"{_NIH}17_001.png": "No Finding"}
        | {f"{_NIH}30_001.png": "Atelectasis"},
        ((f"{_NIH}13_026.png",), (f"{_NIH}17_001.png",), (f"{_NIH}30_001.png",)),
        {},
        (),
        "sample/sample_labels.csv",
        ("90013", "90017", "90030"),
    ),
    "vindr-cxr resized": Copy(
        vindr_resized,
        {f"{_VINDR}aa.png": "Nodule/Mass", f"{_VINDR}bb.png": "No finding"},
        None,
        {},
        (  # a fourth across, a sixth down
            (f"{_VINDR}aa.png", "Nodule/Mass", (25, 200 / 6, 125, 800 / 6)),
            (f"{_VINDR}aa.png", "Nodule/Mass", (37.5, 200 / 6, 125, 800 / 6)),
        ),
        "vinbigdata/train.csv",
    ),
    "tbx11k simplified": Copy(
        tbx_simplified,
        {f"{_TBX}h0001.png": "health", f"{_TBX}s0001.png": "sick", f"{_TBX}tb0001.png": "active"}
        | {f"{_TBX}tb0002.png": "active+latent", f"{_TBX}tb0003.png": "latent"},
        None,
        {f"{_TBX}h0001.png": "train", f"{_TBX}tb0003.png": "test"},
        (
            (f"{_TBX}tb0001.png", "active", (8, 16.5, 40, 80.5)),
            (f"{_TBX}tb0002.png", "active", (8, 16, 40, 80)),
            (f"{_TBX}tb0002.png", "latent", (80, 0, 88, 8)),
            (f"{_TBX}tb0003.png", "latent", (4, 8, 20, 40)),
        ),
        "tbx11k-simplified/data.csv",
    ),
}
