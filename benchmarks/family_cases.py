"""One small member of every family of timm and torchvision, made smaller by its own options."""

from dataclasses import dataclass, field
from typing import Any

import timm
import torchvision
from torch import nn

__all__ = ["TIMM", "TORCHVISION", "Case", "cases"]


@dataclass(frozen=True)
class Case:
    """A model of a family.

    Attributes:
        model: its name in timm, or a function or class of torchvision.models.
        size: side of the images that it is tried on, in pixels.
        options: keyword arguments that make it small.
    """

    model: str
    size: int = 64
    options: dict[str, Any] = field(default_factory=dict)


def _case(model: str, size: int = 64, **options: Any) -> Case:
    return Case(model, size, options)


_TINY = {"embed_dim": 48, "depth": 3, "num_heads": 3}
_HIERARCHY = {"depths": (1, 1, 1, 1), "embed_dims": (16, 32, 48, 64), "num_heads": (1, 2, 3, 4)}
_SWIN = {"img_size": 64, "window_size": 2, "embed_dim": 16, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)}

TIMM = {
    "beit": _case("beit_base_patch16_224", 64, img_size=64, **_TINY),
    "byoanet": _case("lambda_resnet26t"),
    "byobnet": _case("test_byobnet"),
    "cait": _case("cait_xxs24_224", 64, img_size=64, embed_dim=48, depth=3),
    "coat": _case("coat_lite_tiny", 128, img_size=128),
    "convit": _case("convit_tiny", 64, img_size=64, depth=3, local_up_to_layer=2),
    "convmixer": _case("convmixer_768_32", 28),
    "convnext": _case("test_convnext"),
    "cpubone": _case("cpubone_nano"),
    "crossvit": _case("crossvit_tiny_240", 240),
    "csatv2": _case("csatv2", 128),
    "cspnet": _case("cs3darknet_focus_s"),
    "cspnext": _case("cspnext_tiny"),
    "davit": _case("davit_tiny", 64, **_HIERARCHY),
    "deepseek_vit": _case("deepseek_vit_412m", 84, img_size=84, **_TINY),
    "deit": _case("deit_tiny_distilled_patch16_224", 64, img_size=64, depth=3),
    "densenet": _case("densenet121", 64),
    "dla": _case("dla46x_c"),
    "dpn": _case("dpn48b", 64),
    "edgenext": _case("edgenext_xx_small"),
    "efficientformer": _case("efficientformer_l1", 224),
    "efficientformer_v2": _case("efficientformerv2_s0", 224),
    "efficientnet": _case("test_efficientnet"),
    "efficientvim": _case("efficientvim_m1", 128),
    "efficientvit_mit": _case("efficientvit_b0"),
    "efficientvit_msra": _case("efficientvit_m0", 224),
    "eva": _case("vit_tiny_patch16_dinov3_qkvb", 64, img_size=64, depth=3),
    "fasternet": _case("fasternet_t0"),
    "fastvit": _case("fastvit_t8"),
    "focalnet": _case("focalnet_tiny_srf", 64),
    "gcvit": _case("gcvit_xxtiny", 224),
    "gemma4_vit": _case("gemma4_vit_167m", 96, img_size=96, **_TINY),
    "ghostnet": _case("ghostnet_050"),
    "hardcorenas": _case("hardcorenas_a"),
    "hgnet": _case("hgnetv2_b0"),
    "hiera": _case("hiera_tiny_224", 224, embed_dim=16, stages=(1, 1, 1, 1)),
    "hieradet_sam2": _case("sam2_hiera_tiny", 128, embed_dim=16, stages=(1, 1, 2, 1), global_att_blocks=()),
    "hrnet": _case("hrnet_w18_small"),
    "iformer": _case("iformer_t"),
    "inception_next": _case("inception_next_atto"),
    "inception_resnet_v2": _case("inception_resnet_v2", 128),
    "inception_v3": _case("inception_v3", 128),
    "inception_v4": _case("inception_v4", 128),
    "lcnetv2": _case("lcnetv2_small"),
    "levit": _case("levit_128s", 224),
    "lowformer": _case("lowformer_b0"),
    "mambaout": _case("test_mambaout", 128),
    "maxxvit": _case("test_maxvit", 128, img_size=128),
    "metaformer": _case("poolformer_s12"),
    "mlp_mixer": _case("mixer_s16_224", 64, img_size=64),
    "mobilenetv3": _case("lcnet_035"),
    "mobilenetv5": _case("mobilenetv5_base", 128, channel_multiplier=0.25),
    "mobilevit": _case("mobilevit_xxs"),
    "mvitv2": _case("mvitv2_tiny", 64, img_size=64),
    "naflexvit": _case("naflexvit_base_patch16_gap", 64, **_TINY),
    "nasnet": _case("nasnetalarge", 128),
    "nest": _case("nest_tiny", 224),
    "nextvit": _case("nextvit_small"),
    "nfnet": _case("test_nfnet"),
    "pit": _case("pit_ti_224", 224, depth=(1, 1, 1)),
    "pnasnet": _case("pnasnet5large", 128),
    "pvt_v2": _case("pvt_v2_b0"),
    "qwen3_vit": _case("qwen3_vit_88m", 96, img_size=96, **_TINY),
    "rdnet": _case("rdnet_tiny"),
    "regnet": _case("regnetx_002"),
    "repghost": _case("repghostnet_050"),
    "repvit": _case("repvit_m0_9"),
    "res2net": _case("res2net50_26w_4s", 64),
    "resnest": _case("resnest14d"),
    "resnet": _case("test_resnet"),
    "resnetv2": _case("resnetv2_18"),
    "rexnet": _case("rexnet_100"),
    "selecsls": _case("selecsls42"),
    "senet": _case("legacy_seresnet18"),
    "sequencer": _case("sequencer2d_s", 64, img_size=64, layers=(1, 1, 1, 1)),
    "shvit": _case("shvit_s1"),
    "sknet": _case("skresnet18"),
    "starnet": _case("starnet_s050"),
    "swiftformer": _case("swiftformer_xs"),
    "swin_transformer": _case("swin_tiny_patch4_window7_224", 64, **_SWIN),
    "swin_transformer_v2": _case("swinv2_tiny_window8_256", 64, **_SWIN),
    "swin_transformer_v2_cr": _case("swinv2_cr_tiny_ns_224", 64, **_SWIN),
    "tiny_vit": _case("tiny_vit_5m_224", 224),
    "tnt": _case("tnt_s_patch16_224", 64, img_size=64, depth=3),
    "tresnet": _case("tresnet_m", 64),
    "twins": _case("twins_svt_small", 224, **_HIERARCHY),
    "vgg": _case("vgg11", 64, mlp_ratio=0.05),
    "visformer": _case("visformer_tiny", 64, img_size=64),
    "vision_transformer": _case("test_vit", 64, img_size=64),
    "vision_transformer_hybrid": _case("vit_tiny_r_s16_p8_224", 128, img_size=128, depth=3),
    "vision_transformer_relpos": _case("test_vit_relpos", 64, img_size=64),
    "vision_transformer_sam": _case(
        "samvit_base_patch16_224", 64, img_size=64, global_attn_indexes=(2,), **_TINY
    ),
    "vitamin": _case("vitamin_small_224", 64, img_size=64),
    "volo": _case("volo_d1_224", 64, img_size=64),
    "vovnet": _case("ese_vovnet19b_slim_dw"),
    "xception": _case("legacy_xception"),
    "xception_aligned": _case("xception41", 64),
    "xcit": _case("xcit_nano_12_p16_224", 64, img_size=64, depth=3),
}  # fmt: skip

TORCHVISION = {
    "alexnet": _case("alexnet", 128),
    "convnext": _case("convnext_tiny", 64),
    "densenet": _case("densenet121", 64),
    "efficientnet": _case("efficientnet_b0"),
    "googlenet": _case("googlenet", 64, init_weights=False),
    "inception": _case("inception_v3", 299, init_weights=False),
    "maxvit": _case(
        "MaxVit", 64, input_size=(64, 64), stem_channels=16, partition_size=2, head_dim=8,
        block_channels=[16, 16, 32, 32], block_layers=[1, 1, 1, 1], stochastic_depth_prob=0.0,
    ),
    "mnasnet": _case("mnasnet0_5"),
    "mobilenetv2": _case("mobilenet_v2"),
    "mobilenetv3": _case("mobilenet_v3_small"),
    "regnet": _case("regnet_x_400mf"),
    "resnet": _case("resnet18"),
    "shufflenetv2": _case("shufflenet_v2_x0_5"),
    "squeezenet": _case("squeezenet1_1"),
    "swin_transformer": _case(
        "SwinTransformer", 64, patch_size=[4, 4], embed_dim=16, depths=[1, 1, 1], num_heads=[1, 2, 2],
        window_size=[2, 2],
    ),
    "vgg": _case("vgg11"),
    "vision_transformer": _case(
        "VisionTransformer", 64, image_size=64, patch_size=16, num_layers=3, num_heads=2, hidden_dim=48,
        mlp_dim=96,
    ),
}  # fmt: skip


def cases() -> dict[str, Case]:
    """Every case by "library:family"."""
    return {
        **{f"timm:{family}": case for family, case in TIMM.items()},
        **{f"torchvision:{family}": case for family, case in TORCHVISION.items()},
    }


def build(family: str) -> nn.Module:
    """The case's model with three classes and random weights."""
    case = cases()[family]
    if family.startswith("timm:"):
        return timm.create_model(case.model, pretrained=False, num_classes=3, **case.options)
    make = getattr(torchvision.models, case.model)
    weights = {} if isinstance(make, type) else {"weights": None}
    return make(num_classes=3, **weights, **case.options)
