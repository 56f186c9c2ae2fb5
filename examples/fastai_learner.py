"""fastai: a callback around the forward pass and after the loss.

pip install fastai
python examples/fastai_learner.py [--synthetic]
"""

import timm
import torch
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from lesions import batch_of, lesions, tell
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import lesioncare as lc


class Attention(Callback):
    """Labels come as (labels, boxes); the model and the loss never see the boxes."""

    def __init__(self, guide: lc.AttentionGuide) -> None:
        self.guide, self.losses = guide, []

    def before_batch(self) -> None:
        labels, self.boxes = self.learn.yb
        self.learn.yb = (labels,)
        if self.training:
            self.watching = self.guide.watch()
            self.watching.__enter__()

    def after_pred(self) -> None:
        if self.training:
            self.watching.__exit__(None, None, None)

    def after_loss(self) -> None:
        if self.training:
            self.learn.loss_grad = self.guide.combine(self.learn.loss_grad, self.yb[0], self.boxes)
            self.losses.append(self.learn.loss_grad.detach())


def collate(items: list) -> tuple:
    batch = batch_of(items)
    return batch["images"], batch["labels"], batch["boxes"]


if __name__ == "__main__":
    torch.manual_seed(0)
    data = lesions()
    model = timm.create_model("test_resnet", num_classes=len(data.table.classes))
    loader = DataLoader(data, batch_size=8, shuffle=True, collate_fn=collate)
    loaders = DataLoaders(loader, loader)
    loaders.n_inp = 1  # of each batch, the images alone are the model's
    attention = Attention(lc.AttentionGuide(model, alpha=0.5))
    learner = Learner(loaders, model, cross_entropy, lr=3e-3, cbs=attention)
    learner.fit(6)
    tell(attention.losses)
