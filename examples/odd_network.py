"""A network of one's own: two inputs, a dictionary as the answer, and a head that is no linear layer.

The map's layer is found all the same, and the map is differentiated through the head. The second input
stands for a patient's age and is drawn at random here.

    python examples/odd_network.py [--synthetic]
"""

import torch
from lesions import batch_of, lesions, tell
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import lesioncare as lc


class ImageAndAge(nn.Module):
    """Convolutions whose pixels are weighed by where the age says to look, then a small network."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = ((3, 16), (16, 32), (32, 48))
        stages = [[nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.SiLU(inplace=True)] for a, b in widths]
        self.body = nn.Sequential(*(layer for stage in stages for layer in stage))
        self.where = nn.Linear(1, 48)
        self.head = nn.Sequential(nn.Linear(49, 32), nn.GELU(), nn.Linear(32, classes))

    def forward(self, age: Tensor, picture: Tensor) -> dict[str, Tensor]:
        features = self.body(picture)  # [N, 48, h, w]
        weights = torch.einsum("nk,nkhw->nhw", self.where(age), features).flatten(1).softmax(1)
        pooled = torch.einsum("np,nkp->nk", weights, features.flatten(2))
        return {"logits": self.head(torch.cat([pooled, age], dim=1)), "weights": weights}


def main() -> None:
    torch.manual_seed(0)
    data = lesions()
    ages = torch.rand(len(data), 1)  # in place of a column of the table
    model = ImageAndAge(len(data.table.classes))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    guide = lc.AttentionGuide(model, alpha=0.5)
    losses = []
    for _ in range(6):
        for batch in DataLoader(data, batch_size=8, shuffle=True, collate_fn=batch_of):
            with guide.watch():
                answer = model(ages[batch["positions"]], picture=batch["images"])
            loss = cross_entropy(answer["logits"], batch["labels"])
            loss = guide.combine(loss, batch["labels"], batch["boxes"])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
    tell(losses)
    print(f"the map is that of {guide.target.name!r}")


if __name__ == "__main__":
    main()
