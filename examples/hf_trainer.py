"""Hugging Face's Trainer with one of its own networks: `compute_loss` is all that changes.

pip install transformers accelerate
python examples/hf_trainer.py [--synthetic]
"""

import tempfile
from typing import Any

import torch
from lesions import batch_of, lesions, tell
from transformers import ResNetConfig, ResNetForImageClassification, Trainer, TrainingArguments

import lesioncare as lc


class GuidedTrainer(Trainer):
    """A Trainer whose loss has attention in it."""

    def __init__(self, guide: lc.AttentionGuide, **options: Any) -> None:
        super().__init__(model=guide.model, **options)
        self.guide, self.losses = guide, []

    def compute_loss(self, model: Any, inputs: dict, return_outputs: bool = False, **_: Any) -> Any:
        boxes = inputs.pop("boxes")
        if not model.training:
            return super().compute_loss(model, inputs, return_outputs)
        with self.guide.watch():
            outputs = model(**inputs)
        loss = self.guide.combine(outputs.loss, inputs["labels"], boxes)
        self.losses.append(loss.detach())
        return (loss, outputs) if return_outputs else loss


def collate(items: list) -> dict:
    batch = batch_of(items)
    return {"pixel_values": batch["images"], "labels": batch["labels"], "boxes": batch["boxes"]}


if __name__ == "__main__":
    torch.manual_seed(0)
    data = lesions()
    size = {"embedding_size": 16, "hidden_sizes": [16, 32, 48], "depths": [1, 1, 1], "layer_type": "basic"}
    model = ResNetForImageClassification(ResNetConfig(**size, num_labels=len(data.table.classes)))
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        num_train_epochs=6,
        per_device_train_batch_size=8,
        learning_rate=3e-3,
        remove_unused_columns=False,  # or the boxes would not arrive
        report_to=[],
        save_strategy="no",
        use_cpu=True,
    )
    trainer = GuidedTrainer(
        lc.AttentionGuide(model), args=arguments, train_dataset=data, data_collator=collate
    )
    trainer.train()
    tell(trainer.losses)
