"""torchxrayvision: any data set with its interface whose items have `pathology_masks` gives boxes as well.

Here it is TBX11K (tuberculosis, active or latent), put behind that interface by tbx11k.py; a data set of the
library's own that has masks (RSNA's and SIIM's, with `pathology_masks=True`) goes in the same way.

    pip install torchxrayvision
    python examples/torchxrayvision_data.py [--synthetic]
"""

import torch
import torchxrayvision as xrv
from lesions import tell
from tbx11k import TBX11K
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision.ops import masks_to_boxes

import lesioncare as lc


def collate(items: list) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """The guide's part: the mask of each image's own pathology becomes a box; no mask, no box."""
    labels = [int(item["lab"].argmax()) for item in items]
    masks = [item["pathology_masks"].get(label) for item, label in zip(items, labels, strict=True)]
    masks = [torch.zeros(1, 1) if mask is None else torch.tensor(mask) for mask in masks]
    behind = torch.tensor([0, 0, 1, 1])  # torchvision ends a box at its last pixel, lesioncare behind it
    boxes = [masks_to_boxes(m[None] > 0) + behind if m.any() else torch.empty(0, 4) for m in masks]
    return torch.stack([torch.tensor(item["img"]) for item in items]), torch.tensor(labels), boxes


if __name__ == "__main__":
    torch.manual_seed(0)
    data = TBX11K()
    model = xrv.models.DenseNet(growth_rate=8, block_config=(2, 2), num_init_features=16, num_classes=2)
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
