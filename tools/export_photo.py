"""Write the network of the lesson on photographs for demos/photo/.

Batch norm is folded into the convolutions, and each weight is a whole number of 8 bits times a
factor of its filter. What the rounding adds on average is taken off the bias again. So the file has
a quarter of the size, and gives slightly different answers.
The last layer stands before the average over the places, where it gives the same logits: so the
file also holds, for each class, a map of what speaks for it, which is Grad-CAM here.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torchvision.transforms import v2

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "notebooks"))

from cnn.photographs import (  # noqa: E402
    CATEGORIES,
    FILES,
    InvertedResidual,
    photograph,
    pretrained,
)

FOLDER = REPOSITORY / "demos" / "photo"
STAGES = range(9)  # whose maps the page can show


class Graph:
    """An ONNX graph that grows node by node."""

    def __init__(self, input_means):
        self.nodes, self.constants, self.count = [], [], 0
        self.input_means = input_means  # layer to the mean of each of its input channels

    def add(self, kind, *inputs, name=None, **attributes):
        """Append a node; returns the name of its output."""
        self.count += 1
        output = name or f"v{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, values):
        self.count += 1
        name = f"c{self.count}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def eight_bits(self, weight, layer):
        """A 1 × 1 weight as int8 with a factor for each filter.

        Returns:
            (name of their product, what rounding adds to each output on average).
        """
        exact = weight.detach().numpy()[:, :, 0, 0]
        factor = np.maximum(np.abs(exact).max(axis=1) / 127, 1e-12).astype(np.float32)
        whole = np.round(exact / factor[:, None]).astype(np.int8)
        added = (whole * factor[:, None] - exact) @ self.input_means[layer].numpy()
        stored = self.constant(whole[:, :, None, None])
        return self.add("DequantizeLinear", stored, self.constant(factor), axis=0), added

    def half(self, weight, layer):
        """A weight as float16, for kernels that look around: few numbers, and sensitive ones."""
        constant = self.constant(weight.detach().numpy().astype(np.float16))
        return self.add("Cast", constant, to=TensorProto.FLOAT), 0

    def convolution(self, X, layers):
        """The layers of cnn.photographs.convolution: padding, convolution, batch norm, ReLU6."""
        pad, layer, norm, last = layers
        factor = norm.weight / (norm.running_var + norm.eps).sqrt()
        stored = self.eight_bits if layer.kernel_size == (1, 1) else self.half
        weight, added = stored(layer.weight * factor[:, None, None, None], layer)
        bias = (norm.bias - norm.running_mean * factor).detach().numpy() - added
        bias = self.constant(bias.astype(np.float32))
        left, right, top, bottom = pad.padding
        X = self.add(
            "Conv",
            X,
            weight,
            bias,
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            group=layer.groups,
            pads=[top, left, bottom, right],
        )
        return self.add("Clip", X, self.zero, self.six) if isinstance(last, nn.ReLU6) else X

    def block(self, X, block):
        Y = X
        for part in (block.expand, block.depthwise, block.project):
            Y = Y if isinstance(part, nn.Identity) else self.convolution(Y, part)
        return self.add("Add", X, Y) if block.shortcut else Y


def input_means(model):
    """The mean of each input channel of each layer, over cuts of the photographs."""
    torch.manual_seed(0)
    cutting = v2.RandomResizedCrop(224, scale=(0.2, 0.8), antialias=True)
    cuts = [(cutting(photograph(name)).float() - 127) / 128 for name in FILES for _ in range(2)]
    found, hooks = {}, []

    def note(layer, inputs, output):
        found[layer] = inputs[0].transpose(0, 1).flatten(1).mean(dim=1)

    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            hooks.append(layer.register_forward_hook(note))
    model(torch.stack(cuts))
    for hook in hooks:
        hook.remove()
    return found


def exported(model):
    """The network in ONNX: image (1, 3, 224, 224) to logits, maps of classes, maps of stages."""
    graph, X = Graph(input_means(model)), "image"
    graph.zero, graph.six = (graph.constant(np.array(v, dtype=np.float32)) for v in (0, 6))
    outputs = []
    for depth in STAGES:
        stage = model[depth]
        if isinstance(stage[0], InvertedResidual):
            for block in stage:
                X = graph.block(X, block)
        else:
            X = graph.convolution(X, stage)
        outputs.append(graph.add("Identity", X, name=f"stage{depth}"))
    dense = model[12]
    weight, added = graph.eight_bits(dense.weight[:, :, None, None], dense)
    classes = graph.add("Conv", X, weight, name="classes", kernel_shape=[1, 1])
    mean = graph.add("GlobalAveragePool", classes)
    bias = (dense.bias.detach().numpy() - added).astype(np.float32)
    bias = graph.constant(bias.reshape(1, -1, 1, 1))
    graph.add("Add", mean, bias, name="logits")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 224, 224])
    results = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "c", "h", "w"])
        for name in ["logits", "classes", *outputs]
    ]
    proto = helper.make_graph(graph.nodes, "EfficientNet-Lite0", [image], results, graph.constants)
    made = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made)
    return made


def main():
    model = pretrained().requires_grad_(False)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "network.onnx").write_bytes(exported(model).SerializeToString())
    names = json.dumps(CATEGORIES, ensure_ascii=False, separators=(",", ":"))
    (FOLDER / "names.json").write_text(names, encoding="utf-8")
    print(f"{FOLDER / 'network.onnx'}: {(FOLDER / 'network.onnx').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
