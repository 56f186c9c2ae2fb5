"""Bad input ends in exit code 2 and one message: what, where and what to do; nothing is left behind."""

import json
import shutil

import pandas as pd
import pytest
from PIL import Image


@pytest.fixture
def place(tmp_path, tiny, finished):
    """A folder of one's own data: good.csv beside images/, and files that are broken in one way each."""
    frame = pd.read_csv(tiny)
    shutil.copytree(tiny.parent / "images", tmp_path / "images")
    tables = {
        "good": frame,
        "no_image_column": frame.rename(columns={"image": "scan"}),
        "missing_image": frame.replace({"image": {frame["image"][2]: "images/none.jpg"}}),
        "broken_image": frame.replace({"image": {frame["image"][4]: "images/broken.jpg"}}),
        "torn_group": frame.assign(group=frame["group"].where(frame.index != 30, frame["group"][0])),
        "one_class": frame.assign(label="mole"),
        "empty": frame[:0],
        "box_outside": frame.assign(x2=frame["x2"] + 500, x1=frame["x1"] + 500),
    }
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    whole = (tiny.parent / frame["image"][4]).read_bytes()
    (tmp_path / "images" / "broken.jpg").write_bytes(whole[:-100])
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    (tmp_path / "picture.png").rename(tmp_path / "picture.csv")
    (tmp_path / "foreign_boxes.csv").write_text("image,x1,y1,x2,y2\nelsewhere.jpg,1,1,5,5\n")
    (tmp_path / "no_boxes.csv").write_text("image,x1,y1,x2,y2\n")
    (tmp_path / "a_file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").touch()
    (tmp_path / "broken_export").mkdir()
    (tmp_path / "broken_export" / "preprocessing.json").write_text("{")
    shutil.copytree(finished, tmp_path / "run")
    shutil.copytree(finished, tmp_path / "unfinished")
    (tmp_path / "unfinished" / "result.json").unlink()
    shutil.copytree(finished, tmp_path / "other_images")
    lines = (tmp_path / "other_images" / "predictions.csv").read_text().splitlines(keepends=True)
    (tmp_path / "other_images" / "predictions.csv").write_text("".join(lines[:-1]))
    record = json.loads((tmp_path / "other_images" / "result.json").read_text())
    record |= {"n_images": record["n_images"] - 1, "has_maps": False}
    (tmp_path / "other_images" / "result.json").write_text(json.dumps(record))
    return tmp_path


TRAIN = "train good.csv --output new --model lesioncare.experiment.demo:small_network --image-size 32"
CASES = {
    "no table": ("train none.csv --output new", ["none.csv", "no such table", "Check the path"]),
    "a picture": ("train picture.csv --output new", ["picture.csv", "not a table", "Save it as CSV"]),
    "a folder": ("train folder --output new", ["folder", "is a folder", "Give a table"]),
    "no column": (
        "train no_image_column.csv --output new",
        ["no_image_column.csv", "no column 'image'", "scan", "--image-column"],
    ),
    "wrong column": (
        "train good.csv --label-column kind --output new",
        ["good.csv", "no column 'kind'", "--label-column"],
    ),
    "missing image": ("train missing_image.csv --output new", ["missing_image.csv", "row 4", "none.jpg"]),
    "broken image": ("train broken_image.csv --output new", ["broken_image.csv", "row 6", "broken.jpg"]),
    "no image folder": (f"{TRAIN} --images nowhere", ["nowhere", "no such folder"]),
    "torn group": (
        "train torn_group.csv --output new",
        ["torn_group.csv", "row 2 in train", "row 32 in test", "on one side"],
    ),
    "one class": ("train one_class.csv --output new", ["one_class.csv", "only one class, 'mole'"]),
    "no rows": ("train empty.csv --output new", ["empty.csv", "no rows", "Add one row per image"]),
    "box outside": ("train box_outside.csv --output new", ["box_outside.csv", "row 2", "outside its image"]),
    "foreign box": (
        f"{TRAIN} --boxes foreign_boxes.csv",
        ["foreign_boxes.csv", "elsewhere.jpg", "Give the boxes of these images"],
    ),
    "no box file": (f"{TRAIN} --boxes none.csv", ["none.csv", "no such box file"]),
    "box columns": (f"{TRAIN} --box-columns x1,y1", ["--box-columns", "four names"]),
    "box unit": (f"{TRAIN} --box-unit mile", ["--box-unit", "'pixel'", "'mile'"]),
    "unknown model": (f"{TRAIN} --model resnet5", ["'resnet5'", "Did you mean", "resnet50"]),
    "own model": (f"{TRAIN} --model my_nets:big", ["'my_nets:big'", "No module named", "package.module"]),
    "weights": (f"{TRAIN} --weights none.pth", ["none.pth", "no such weights file", "--weights"]),
    "unknown rare class": (f"{TRAIN} --rare DF,network", ["rare", "'DF'", "'red-lacunae'"]),
    "image size": (f"{TRAIN} --image-size abc", ["--image-size", "192x256", "'abc'"]),
    "image size zero": (f"{TRAIN} --image-size 0x32", ["--image-size", "'0x32'"]),
    "alpha": (f"{TRAIN} --alpha 2", ["--alpha", "less than or equal to 1", "got 2"]),
    "folds": (f"{TRAIN} --folds 1", ["--folds", "greater than or equal to 2", "got 1"]),
    "fold": (f"{TRAIN} --fold 9", ["--fold 9 does not exist", "0 to 4"]),
    "attention": (f"{TRAIN} --attention foo", ["--attention", "'care'", "'foo'"]),
    "augment": (f"{TRAIN} --augment more", ["--augment", "'dermoscopy'", "'more'"]),
    "freeze": (f"{TRAIN} --freeze body", ["no layer 'body'", "Its top layers are"]),
    "freeze auto": (f"{TRAIN} --freeze auto", ["lists no stages", "name the last layer"]),
    "freeze too much": (f"{TRAIN} --freeze 12", ["freeze less"]),
    "target layer": (f"{TRAIN} --target-layer eye", ["no layer 'eye'"]),
    "accelerator": (f"{TRAIN} --accelerator abacus", ["abacus", "--accelerator"]),
    "precision": (f"{TRAIN} --precision 7-bit", ["7-bit", "--precision"]),
    "output is a file": (f"{TRAIN} --output a_file", ["a_file", "is a file", "--output"]),
    "output in a file": (f"{TRAIN} --output a_file/run", ["a_file/run", "cannot be written", "--output"]),
    "output is a folder": (f"{TRAIN} --output folder", ["folder", "holds no run", "--output"]),
    "overwrite a folder": (f"{TRAIN} --output folder --overwrite", ["folder", "holds no run"]),
    "other options": (f"{TRAIN} --output run", ["run: holds a run with other options", "--overwrite"]),
    "baseline": (f"{TRAIN} --baseline --attention none", ["needs attention", "other than 'none'"]),
    "predict no run": ("predict nowhere images", ["nowhere", "is not the directory of one run"]),
    "predict nothing": ("predict run none.csv", ["none.csv", "does not exist", "an image, a folder"]),
    "predict empty": ("predict run run/logs", ["run/logs", "holds no images"]),
    "predict nowhere": ("predict run images -o none/p.csv", ["none/p.csv", "no folder 'none'", "--output"]),
    "predict a folder": ("predict run images -o folder --overwrite", ["folder", "Name a file", "--output"]),
    "predict over overlays": (
        "predict run images --overlays folder",
        ["folder", "not an empty", "--overlays"],
    ),
    "predict backend": ("predict run images --backend tpu", ["--backend", "onnx or torch", "'tpu'"]),
    "predict a run in onnx": (
        "predict run images --backend onnx",
        ["run: is a run", "lesioncare export run --output DIR"],
    ),
    "predict no export": ("predict broken_export images", ["preprocessing.json", "cannot be read"]),
    "export no run": ("export nowhere -o new", ["nowhere", "is not the directory of one run"]),
    "export format": ("export run -o new --formats onnx,tflite", ["--formats", "'tflite'", "torch-export"]),
    "export timm": ("export run -o new --formats timm", ["timm: ", "not one of timm's"]),
    "export there": ("export run -o folder", ["folder", "not empty", "--output"]),
    "export over a run": ("export run -o run --overwrite", ["run: is no export alone", "not replaced"]),
    "export to a file": ("export run -o a_file", ["a_file", "is a file", "--output"]),
    "evaluate no run": ("evaluate nowhere", ["nowhere/result.json", "no finished run"]),
    "evaluate unit": ("evaluate run good.csv --box-unit mile", ["--box-unit", "'mile'"]),
    "evaluate one column": ("evaluate run no_image_column.csv", ["no column 'image'"]),
    "evaluate there": ("evaluate run good.csv --output folder", ["folder", "not empty", "--output"]),
    "audit no run": ("audit nowhere", ["nowhere", "is not the directory of one run"]),
    "audit a folder": ("audit folder", ["folder", "is not the directory of one run"]),
    "audit unfinished": ("audit unfinished", ["unfinished", "not finished", "same train command"]),
    "audit no boxes": (
        "audit run --boxes no_boxes.csv",
        ["needs images with a lesion's box", "12 without a box", "--boxes"],
    ),
    "audit no table": ("audit run --table none.csv", ["none.csv", "no such table"]),
    "audit idle images": ("audit run --images images", ["--images", "for a table of other images"]),
    "audit idle column": ("audit run --label-column kind", ["--label-column", "Name the table"]),
    "evaluate idle boxes": ("evaluate run --boxes boxes.csv", ["--boxes", "for a table of other images"]),
    "evaluate idle column": ("evaluate run --group-column who", ["--group-column", "Name the table"]),
    "audit artefact": ("audit run --artefacts ruler,tape", ["--artefacts", "'tape'", "green-sticker"]),
    "audit margin": ("audit run --margin 3", ["--margin", "[0, 1]", "3.0"]),
    "audit of others": ("audit run other_images", ["not tested on the same images", "--table"]),
    "audit there": ("audit run --output folder", ["folder", "holds no audit", "--output"]),
    "audit in a file": ("audit run --output a_file/audit", ["a_file/audit", "cannot be written", "--output"]),
    "report no run": ("report run nowhere", ["nowhere", "no finished run"]),
    "report of others": ("report run other_images", ["image"]),
    "splits": ("splits good.csv --folds 1", ["folds", "at least 2"]),
    "splits many": ("splits good.csv --folds 9", ["too few for 9 folds", "Use fewer folds"]),
    "splits table": ("splits none.csv", ["none.csv", "no such table"]),
    "demo": ("demo --output a_file", ["a_file"]),
}


def tree(folder):
    return {
        path.relative_to(folder): path.is_file() and path.stat().st_mtime_ns for path in folder.rglob("*")
    }


@pytest.mark.parametrize(("command", "said"), CASES.values(), ids=CASES.keys())
def test_bad_input_ends_in_one_message(run, place, monkeypatch, command, said):
    monkeypatch.chdir(place)
    before = tree(place)
    code, _, errors = run(*command.split())
    message = errors[errors.find("lesioncare: error: ") :]
    assert code == 2, errors
    assert errors.count("lesioncare: error:") == 1
    assert "Traceback" not in errors
    for words in said:
        assert words in message
    assert message.count("\n") == 1
    assert tree(place) == before


@pytest.mark.parametrize(
    "words", [["train"], ["train", "t.csv", "--epochs", "many"], ["train", "t.csv", "--no-such"], ["teach"]]
)
def test_what_the_parser_refuses_has_the_same_exit_code(run, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, errors = run(*words)
    assert code == 2
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())
