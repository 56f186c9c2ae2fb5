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
    with torch.random.fork_rng():
        torch.manual_seed(0)  # made while tests are collected: what ran before must not choose its weights
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


class ChannelsLast(nn.Module):
    """Maps [N, h, w, K], averaged over h and w."""

    def __init__(self, head: nn.Module | None = None, channels: int = 4) -> None:
        super().__init__()
        self.stem, self.mix = nn.Conv2d(3, channels, 4, stride=4), nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, 3) if head is None else head

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).permute(0, 2, 3, 1)
        return self.head(self.norm(self.mix(x).tanh()).mean((1, 2)))


class Attention(nn.Module):
    """Self-attention of one head that keeps its matrix visible to hooks, as many do: it has a map's shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.soft, self.proj = nn.Linear(width, 3 * width), nn.Softmax(-1), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (part[:, None] for part in self.qkv(x).chunk(3, -1))
        return self.proj((self.soft(query @ key.transpose(-2, -1)) @ value)[:, 0])


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), Attention(width)
        self.norm2, self.mlp = nn.LayerNorm(width), nn.Sequential(nn.Linear(width, 8), nn.GELU())
        self.out = nn.Linear(8, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.out(self.mlp(self.norm2(x)))


class Transformer(nn.Module):
    """A vision transformer that says nothing of its tokens: p before the patches of 4 x 4 pixels."""

    def __init__(self, prefix: int = 1, pool: str = "class", stated: bool = False, width: int = 6) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.extra = nn.Parameter(torch.randn(1, prefix, width))
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 3)
        self.prefix, self.pool = prefix, pool
        if stated:
            self.num_prefix_tokens = prefix

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = self.norm(self.blocks(torch.cat((self.extra.expand(len(x), -1, -1), x), 1)))
        if self.pool == "token by token":
            return self.head(x)[:, 0]
        return self.head(x[:, 0] if self.pool == "class" else x[:, self.prefix :].mean(1))


class MultiHead(Pooled):
    """Two heads on one backbone; the first gives the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(4, 5)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        pooled = self.pool(self.features(image)).flatten(1)
        return {"other": self.other(pooled), "logits": self.head(pooled)}


class MultiScale(nn.Module):
    """Stages that give lists of maps, and a head on the averages of both."""

    class Stage(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fine, self.coarse = nn.Conv2d(3, 4, 4, stride=4), nn.Conv2d(3, 4, 8, stride=8)

        def forward(self, x: Tensor) -> list[Tensor]:
            return [self.fine(x), self.coarse(x)]

    def __init__(self) -> None:
        super().__init__()
        self.stage, self.head = self.Stage(), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([part.relu().mean((2, 3)) for part in self.stage(x)], 1))


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
