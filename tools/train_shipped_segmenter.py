"""Train the small lesion segmenter that the package ships, on ISIC 2017 alone.

    python tools/train_shipped_segmenter.py --output lesion.safetensors

reads `isic17_256` from LESIONCARE_DATA (or ../shared/data) and needs about 25 minutes on two cores. A stopped
run goes on where it was. Seed and schedule are fixed below; nothing of HAM10000 is read.
"""

import argparse
import os
from pathlib import Path

from lesioncare.allocator import keep_freed_memory
from lesioncare.training.segmentation import SegmenterConfig, train_segmenter

DATA = Path(os.environ.get("LESIONCARE_DATA", Path(__file__).parents[2] / "shared" / "data"))


def main() -> None:
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("lesion.safetensors"))
    parser.add_argument("--epochs", type=int, default=50, help="other numbers than 50 are for trying out")
    options = parser.parse_args()
    config = SegmenterConfig.build(
        images=DATA / "isic17_256" / "images",
        masks=DATA / "isic17_256" / "masks",
        model="tiny",
        image_size=(128, 128),
        epochs=options.epochs,
        batch_size=16,
        learning_rate=2e-3,
        validation=0.07,
        seed=0,
        workers=1,
        accelerator="cpu",
        half=True,
        mirrored=True,
        note="Lesions on dermoscopic images. Learnt from ISIC 2017 alone. Apache-2.0.",
    )
    print(train_segmenter(config, options.output))


if __name__ == "__main__":
    main()
