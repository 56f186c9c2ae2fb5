import pytest
import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from lesioncare.attention import AttentionGuide
from lesioncare.attention.fused import attention_differentiable_twice

SHAPE = (2, 3, 5, 4)  # N, heads, tokens, channels
ORIGINAL = functional.scaled_dot_product_attention
SMALL = torch.tensor([[True, False, True, True, False]]).expand(5, 5)


def inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(SHAPE, generator=generator, dtype=dtype).requires_grad_() for _ in range(3)]


def mask_of(kind):
    if kind == "bias":
        return torch.randn(1, 3, 5, 5, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    return SMALL if kind == "boolean" else None


@pytest.mark.parametrize("kind", ["none", "boolean", "bias"])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_output_first_and_second_derivative_equal_plain_operations(kind, scale):
    """The reference is torch's own formula in plain operations, differentiated by torch."""
    found = []
    for fused in (True, False):
        tensors, mask = inputs(), mask_of(kind)
        wanted = [*tensors, mask] if kind == "bias" else tensors
        with attention_differentiable_twice() if fused else sdpa_kernel(SDPBackend.MATH):
            output = functional.scaled_dot_product_attention(*tensors, attn_mask=mask, scale=scale)
        first = torch.autograd.grad(output.sin().sum(), wanted, create_graph=True)
        second = torch.autograd.grad(sum(part.cos().sum() for part in first), wanted)
        found.append([output, *first, *second])
    torch.testing.assert_close(*found)


def test_the_formula_by_finite_differences():
    tensors = [tensor.detach()[:1, :1, :3, :2].requires_grad_() for tensor in inputs()]
    with attention_differentiable_twice():
        attention = functional.scaled_dot_product_attention
        assert torch.autograd.gradcheck(attention, tensors)
        assert torch.autograd.gradgradcheck(attention, tensors)


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"dropout_p": 0.5}, {"enable_gqa": True}])
def test_outputs_are_the_kernels_bit_for_bit_and_derivable_twice(options):
    tensors = inputs(torch.float32)
    torch.manual_seed(0)
    expected = ORIGINAL(*tensors, **options)
    torch.manual_seed(0)
    with attention_differentiable_twice():
        output = functional.scaled_dot_product_attention(*tensors, **options)
    if options.get("is_causal") or options.get(
        "enable_gqa"
    ):  # these are plain operations: equal but for rounding
        torch.testing.assert_close(output, expected)
    else:
        assert torch.equal(output, expected)
    (first,) = torch.autograd.grad(output.square().sum(), tensors[0], create_graph=True)
    first.square().sum().backward()
    assert tensors[1].grad.isfinite().all()


def test_torchs_function_comes_back_also_from_overlapping_blocks_and_errors():
    first, second = attention_differentiable_twice(), attention_differentiable_twice()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert functional.scaled_dot_product_attention is not ORIGINAL
    second.__exit__(None, None, None)
    assert functional.scaled_dot_product_attention is ORIGINAL
    with pytest.raises(ValueError, match="inside"), attention_differentiable_twice():
        raise ValueError("inside")
    assert functional.scaled_dot_product_attention is ORIGINAL


def test_a_watched_pass_puts_torchs_function_back():
    import timm  # noqa: PLC0415

    model, images = timm.create_model("test_vit", num_classes=3, img_size=64), torch.rand(2, 3, 64, 64)
    guide = AttentionGuide(model)
    with guide.watch():
        model(images)
        assert functional.scaled_dot_product_attention is ORIGINAL
    head, model.head = model.head, torch.nn.Linear(7, 3)
    with pytest.raises(RuntimeError), guide.watch():
        model(images)
    assert functional.scaled_dot_product_attention is ORIGINAL
    model.head = head


def test_half_precision_keeps_its_type():
    tensors = [tensor.detach().bfloat16().requires_grad_() for tensor in inputs()]
    with attention_differentiable_twice():
        output = functional.scaled_dot_product_attention(*tensors)
    gradients = torch.autograd.grad(output.float().sum(), tensors)
    assert {output.dtype, *(gradient.dtype for gradient in gradients)} == {torch.bfloat16}
