import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[2] / "docs" / "attention.md"


def test_the_pages_examples_run():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 4
    torch.manual_seed(0)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
        loss = names.get("loss")
        assert loss is None or torch.isfinite(loss)
