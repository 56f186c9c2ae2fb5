"""PyTorch Lightning: a callback adds attention to a module that knows nothing of it.

python examples/lightning_callback.py [--synthetic]
"""

import pytorch_lightning as pl
import timm
import torch
from lesions import batch_of, lesions, tell
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import lesioncare as lc


class Classifier(pl.LightningModule):  # anybody's module
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.network = timm.create_model("test_resnet", num_classes=classes)

    def training_step(self, batch: dict, batch_idx: int) -> torch.Tensor:
        return cross_entropy(self.network(batch["images"]), batch["labels"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


class Attention(pl.Callback):
    """While training runs, the module's training step is watched and its loss combined."""

    def __init__(self, guide: lc.AttentionGuide) -> None:
        self.guide, self.losses = guide, []

    def on_fit_start(self, _trainer: pl.Trainer, module: pl.LightningModule) -> None:
        step = module.training_step

        def guided(batch: dict, batch_idx: int) -> torch.Tensor:
            with self.guide.watch():
                loss = step(batch, batch_idx)
            loss = self.guide.combine(loss, batch["labels"], batch["boxes"])
            self.losses.append(loss.detach())
            return loss

        module.training_step = guided

    def teardown(self, _trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            module.__dict__.pop("training_step", None)  # the class's own again


if __name__ == "__main__":
    pl.seed_everything(0)
    data = lesions()
    module = Classifier(len(data.table.classes))
    attention = Attention(lc.AttentionGuide(module.network, alpha=0.5))
    loader = DataLoader(data, batch_size=8, shuffle=True, collate_fn=batch_of)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}
    pl.Trainer(max_epochs=6, callbacks=attention, accelerator="cpu", **quiet).fit(module, loader)
    tell(attention.losses)
