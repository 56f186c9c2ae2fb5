"""MONAI: its transforms move image and mask together, and its network learns to look at the mask's box.

Breast ultrasound (BUSI) has masks of the lesions, and none for normal images.

    pip install monai
    python examples/monai_busi.py [--synthetic]
"""

import torch
from busi import CLASSES, rows
from lesions import synthetic, tell
from monai import transforms as mt
from monai.data import DataLoader, Dataset
from monai.networks.nets import DenseNet
from torch.nn.functional import cross_entropy
from torchvision.ops import masks_to_boxes

import lesioncare as lc

BOTH = ["image", "mask"]


def collate(items: list) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """Boxes come from the masks as they are after the transforms; an empty mask is no box."""
    masks = [torch.as_tensor(item["mask"]) > 0.5 for item in items]
    behind = torch.tensor([0, 0, 1, 1])  # torchvision ends a box at its last pixel, lesioncare behind it
    boxes = [masks_to_boxes(mask) + behind if mask.any() else torch.empty(0, 4) for mask in masks]
    images = torch.stack([torch.as_tensor(item["image"]) for item in items])
    return images, torch.tensor([item["label"] for item in items]), boxes


if __name__ == "__main__":
    torch.manual_seed(0)
    read = [] if synthetic() else [mt.LoadImaged(BOTH, image_only=True, ensure_channel_first=True)]
    steps = [mt.Resized(BOTH, (64, 64), mode=("bilinear", "nearest")), mt.ScaleIntensityd(BOTH)]
    moves = [mt.RandFlipd(BOTH, 0.5, spatial_axis=1), mt.RandRotate90d(BOTH, 0.5)]
    data = Dataset(rows(), mt.Compose([*read, *steps, *moves]).set_random_state(0))
    model = DenseNet(2, 1, len(CLASSES), init_features=16, growth_rate=8, block_config=(2, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    guide, losses = lc.AttentionGuide(model, alpha=0.5), []
    for _ in range(6):
        for images, labels, boxes in DataLoader(data, batch_size=8, shuffle=True, collate_fn=collate):
            with guide.watch():
                logits = model(images)
            loss = guide.combine(cross_entropy(logits, labels), labels, boxes)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
    tell(losses)
