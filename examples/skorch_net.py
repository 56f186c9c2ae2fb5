"""skorch, a scikit-learn estimator around a torch module: one method is overridden.

pip install skorch
python examples/skorch_net.py [--synthetic]
"""

from typing import Any

import timm
import torch
from lesions import batch_of, lesions, tell
from skorch import NeuralNetClassifier

import lesioncare as lc


class GuidedClassifier(NeuralNetClassifier):
    """A classifier whose batches are ((images, boxes), labels) in training."""

    def initialize_module(self) -> "GuidedClassifier":
        super().initialize_module()
        self.guide_ = lc.AttentionGuide(self.module_, alpha=0.5)
        self.losses_: list[torch.Tensor] = []
        return self

    def infer(self, x: Any, **options: Any) -> torch.Tensor:
        return super().infer(x["images"] if isinstance(x, dict) else x, **options)

    def train_step_single(self, batch: Any, **options: Any) -> dict:
        inputs, labels = batch
        self._set_training(True)
        with self.guide_.watch():
            logits = self.infer(inputs, **options)
        loss = self.get_loss(logits, labels, X=inputs, training=True)
        loss = self.guide_.combine(loss, labels, list(inputs["boxes"]))
        loss.backward()
        self.losses_.append(loss.detach())
        return {"loss": loss, "y_pred": logits}


def collate(items: list) -> tuple[dict, torch.Tensor]:
    batch = batch_of(items)
    padded = torch.nn.utils.rnn.pad_sequence(
        batch["boxes"], batch_first=True
    )  # a box of zeros counts as none
    return {"images": batch["images"], "boxes": padded}, batch["labels"]


if __name__ == "__main__":
    torch.manual_seed(0)
    data = lesions()
    model = timm.create_model("test_resnet", num_classes=len(data.table.classes))
    parts = {"criterion": torch.nn.CrossEntropyLoss, "optimizer": torch.optim.AdamW, "train_split": None}
    loading = {"iterator_train__shuffle": True, "iterator_train__collate_fn": collate}
    net = GuidedClassifier(model, **parts, **loading, lr=3e-3, max_epochs=6, batch_size=8)
    net.fit(data, y=None)
    tell(net.losses_)
