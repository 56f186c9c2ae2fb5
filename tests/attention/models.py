"""Tiny models that the tests of the attention layer share."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Pooled(nn.Module):
    """Convolution, global average pooling, then any head; 16 x 16 images give 4 x 4 maps."""

    def __init__(self, head: nn.Module | None = None, channels: int = 4, classes: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, channels, 4, stride=4), nn.BatchNorm2d(channels), nn.Tanh()
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(channels, classes) if head is None else head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.pool(self.features(x)).flatten(1)))


def mlp(channels: int = 4, classes: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(channels, 5), nn.Tanh(), nn.Linear(5, classes))


class Tail(nn.Module):
    """A convolution whose output an operation then changes, in place or not, before pooling."""

    def __init__(self, after) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 4, stride=4)
        self.after = after
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.after(self.conv(x)).mean((2, 3)))


def relu_in_place(x: Tensor) -> Tensor:
    return functional.relu_(x)


def add_in_place(x: Tensor) -> Tensor:
    x += x.detach().square()
    return x


class Reused(nn.Module):
    """One ReLU used for maps and for vectors, as many a hand-written model does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 4, stride=2), nn.Conv2d(4, 4, 3, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.fc1, self.fc2 = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv2(self.relu(self.conv1(x))))
        return self.fc2(self.relu(self.fc1(x.mean((2, 3)))))


class TwoInputs(Pooled):
    def forward(self, age: Tensor, image: Tensor) -> Tensor:
        return super().forward(image) + age[:, None]


class TupleOutput(Pooled):
    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        logits = super().forward(image)
        return logits, logits.softmax(1)


def hook_count(model: nn.Module) -> int:
    """How many entries the hook tables of all modules have."""
    return sum(
        len(table)
        for module in model.modules()
        for name, table in vars(module).items()
        if "hooks" in name and isinstance(table, dict)
    )


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def same_state(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return list(first) == list(second) and all(torch.equal(first[key], second[key]) for key in first)


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """d loss / d parameter by name, zeros where the loss does not depend on it; writes no .grad."""
    named = dict(model.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True, retain_graph=True)
    return {
        name: torch.zeros_like(value) if grad is None else grad
        for (name, value), grad in zip(named.items(), found, strict=True)
    }
