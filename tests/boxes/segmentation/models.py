"""Tiny segmenters with random weights, one of each kind that can be opened; each gives what to open."""

import json
import warnings

import onnx
import segmentation_models_pytorch as smp
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file, save_file
from torchvision.models import get_model
from transformers import (
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2MaskDecoderConfig,
    Sam2Model,
    Sam2PromptEncoderConfig,
    Sam2VisionConfig,
    SamConfig,
    SamMaskDecoderConfig,
    SamModel,
    SamPromptEncoderConfig,
    SamVisionConfig,
)

from lesioncare.boxes.segmentation import SegmenterSpec, TinyUNet, save_segmenter
from lesioncare.boxes.segmentation.file import build_network


def lively(network):
    """With weights that make the network answer to the image, which a fresh one hardly does."""
    for weights in network.parameters():
        if weights.ndim > 1:
            torch.nn.init.kaiming_normal_(weights)
    return network


def own(folder, kind="tiny"):
    spec = SegmenterSpec(kind=kind, encoder="test_efficientnet" if kind == "unet" else None, size=(64, 64))
    save_segmenter(folder / f"{kind}.safetensors", spec, lively(build_network(spec)).state_dict())
    return folder / f"{kind}.safetensors"


def own_unet(folder):
    return own(folder, "unet")


def smp_folder(folder, **options):
    network = smp.Unet("tu-test_efficientnet", encoder_weights=None, **options)
    lively(network).save_pretrained(folder / "smp")
    return folder / "smp"


def smp_as_published(folder):
    """Says that its encoder began with ImageNet's weights, has several classes, and its own preprocessing."""
    path = smp_folder(folder, classes=3, activation="softmax2d", aux_params={"classes": 2})
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"encoder_weights": "imagenet"}))
    steps = [
        {"__class_fullname__": "Resize", "height": 96, "width": 64},
        {"__class_fullname__": "Normalize", "mean": [0.5] * 3, "std": [0.2] * 3, "max_pixel_value": 255.0},
    ]
    saved = {"transform": {"__class_fullname__": "Compose", "transforms": steps}}
    (path / "albumentations_config_eval.json").write_text(json.dumps(saved))
    return path


def torchvision_file(folder, name="lraspp_mobilenet_v3_large", classes=1, **options):
    network = get_model(name, weights=None, weights_backbone=None, num_classes=classes, **options)
    if not name.startswith("lraspp"):  # which answers as it is
        lively(network)
    torch.save(network.state_dict(), folder / "weights.pth")
    return f"{name}@{folder / 'weights.pth'}"


def torchvision_with_auxiliary_head(folder):
    return torchvision_file(folder, "deeplabv3_mobilenet_v3_large", 3, aux_loss=True)


def onnx_file(folder, last=(), *, shape=("n", 3, "h", "w"), classes=1, metadata=None):
    """A convolution, then the nodes named; its weights are 0.5 on each channel's centre."""
    weights = torch.zeros(classes, shape[1] if isinstance(shape[1], int) else 3, 3, 3)
    weights[:, :, 1, 1] = torch.linspace(0.5, 1.5, classes).view(-1, 1)
    nodes = [helper.make_node("Conv", ["images", "weights"], ["x0"], pads=[1] * 4)]
    for number, name in enumerate(last, 1):
        more = {"axis": 1} if name == "Softmax" else {}
        nodes.append(helper.make_node(name, [f"x{number - 1}"], [f"x{number}"], **more))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(f"x{len(last)}", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights.numpy(), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = f"lesioncare.{key}", value
    onnx.save(model, folder / "tiny.onnx")
    return folder / "tiny.onnx"


def onnx_of_fixed_size(folder):
    return onnx_file(folder, ["Softmax"], shape=(1, 3, 32, 48), classes=3)


def onnx_exported(folder):
    """What torch's exporter makes of the tiny U-Net."""
    network = lively(TinyUNet()).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter says that another one is newer; that one is slow
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 64, 64),),
            str(folder / "unet.onnx"),
            input_names=["images"],
            dynamic_axes={"images": {0: "n"}},
            dynamo=False,
        )
    return folder / "unet.onnx"


def sam_folder(folder):
    small = {"hidden_size": 32, "mlp_dim": 32}
    vision = SamVisionConfig(
        **small, image_size=64, output_channels=32, num_hidden_layers=1, num_attention_heads=2,
        num_pos_feats=16, window_size=2, global_attn_indexes=[0], initializer_range=0.5,
    )  # fmt: skip
    prompt = SamPromptEncoderConfig(hidden_size=32, image_size=64, image_embedding_size=4)
    decoder = SamMaskDecoderConfig(**small, num_attention_heads=2, iou_head_hidden_dim=32)
    config = SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    lively(SamModel(config)).save_pretrained(folder / "sam")
    return folder / "sam"


def sam2_folder(folder):
    backbone = Sam2HieraDetConfig(
        hidden_size=16, num_attention_heads=1, image_size=[64, 64], blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[16, 32, 64, 128], num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 2, 2, 2], global_attention_blocks=[3],
    )  # fmt: skip
    vision = Sam2VisionConfig(
        backbone_config=backbone, backbone_channel_list=[128, 64, 32, 16], fpn_hidden_size=32,
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
    )  # fmt: skip
    prompt = Sam2PromptEncoderConfig(hidden_size=32, image_size=64)
    decoder = Sam2MaskDecoderConfig(hidden_size=32, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=32)
    config = Sam2Config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    lively(Sam2Model(config)).save_pretrained(folder / "sam2")
    return folder / "sam2"


def drop_weights(path, share=2):
    """Take the first of every few weights out of a safetensors file."""
    state = load_file(path)
    save_file({name: state[name] for name in list(state)[1::share]}, path, metadata={"format": "pt"})


EVERY = {
    "own": own,
    "own-unet": own_unet,
    "smp": smp_folder,
    "smp-as-published": smp_as_published,
    "torchvision": torchvision_file,
    "torchvision-auxiliary": torchvision_with_auxiliary_head,
    "onnx": onnx_file,
    "onnx-fixed": onnx_of_fixed_size,
    "onnx-exported": onnx_exported,
    "sam": sam_folder,
    "sam2": sam2_folder,
}
