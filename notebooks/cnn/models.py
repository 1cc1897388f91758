"""The networks of the course, each as the notebook that teaches it defines it."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


class CNN(nn.Sequential):
    """Two convolutions, one max-pool, two dense layers: the classifier of notebook 03.

    Shapes: X float (N, 1, 28, 28) to logits float (N, 10). 1,199,882 parameters.
    """

    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 32, kernel_size=3),  # (N, 32, 26, 26)
            nn.ReLU(),
            nn.Conv2d(32, 64, kernel_size=3),  # (N, 64, 24, 24)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 64, 12, 12)
            nn.Dropout(0.25),
            nn.Flatten(),  # (N, 9216)
            nn.Linear(64 * 12 * 12, 128),  # (N, 128)
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(128, 10),  # (N, 10): logits
        )


class MLP(nn.Sequential):
    """Dense layers only, with about as many parameters as CNN: the baseline of notebook 03.

    Shapes: X float (N, 1, 28, 28) to logits float (N, 10). 1,205,830 parameters with 770 units.
    """

    def __init__(self, hidden=770):
        super().__init__(
            nn.Flatten(),  # (N, 784)
            nn.Linear(28 * 28, hidden),
            nn.ReLU(),
            nn.Dropout(0.25),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, 10),  # (N, 10): logits
        )


class ResidualBlock(nn.Module):
    """y = ReLU(F(x, {W}) + x), where F is two 3 × 3 convolutions with batch norm: notebook 05.

    Shapes: x float (N, in_channels, H, W) to float (N, out_channels, H / stride, W / stride), the
    size rounded up. Where the shapes of x and F(x) differ, the shortcut is a projection: a 1 × 1
    convolution with the stride of F. With shortcut=False the block is plain: y = ReLU(F(x, {W})).
    Source: He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2015.
    """

    def __init__(self, in_channels, out_channels, stride=1, shortcut=True):
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Identity() if shortcut else None
        if shortcut and (stride != 1 or in_channels != out_channels):
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x):
        y = self.residual(x)  # F(x, {W})
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return y.relu()


def residual_stage(n, in_channels, out_channels, stride, shortcut):
    """n blocks in a row; the first one changes the number of channels and applies the stride."""
    first = ResidualBlock(in_channels, out_channels, stride, shortcut)
    others = [ResidualBlock(out_channels, out_channels, 1, shortcut) for _ in range(n - 1)]
    return nn.Sequential(first, *others)


class ResNet(nn.Sequential):
    """The small residual network of notebook 05: 6n + 2 layers with weights, n blocks per stage.

    Shapes: X float (N, 1, H, W) to logits float (N, 10). With shortcut=False it is the plain
    network of the same depth and width.
    Raises ValueError for a depth that is not 6n + 2 with n of at least 1.
    Source: He, Zhang, Ren and Sun, 2015, section 4.2.
    """

    def __init__(self, depth=20, width=8, shortcut=True):
        n, rest = divmod(depth - 2, 6)
        if n < 1 or rest:
            raise ValueError(f"the depth must be 8, 14, 20, ..., not {depth}")
        super().__init__(
            nn.Conv2d(1, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),  # (N, width, H, W)
            residual_stage(n, width, width, 1, shortcut),  # (N, width, H, W)
            residual_stage(n, width, 2 * width, 2, shortcut),  # (N, 2 · width, H / 2, W / 2)
            residual_stage(n, 2 * width, 4 * width, 2, shortcut),  # (N, 4 · width, H / 4, W / 4)
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),  # (N, 4 · width)
            nn.Linear(4 * width, 10),  # (N, 10): logits
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")


def double_convolution(in_channels, out_channels):
    """Two 3 × 3 convolutions, each with batch norm and ReLU; height and width stay as they are."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """The small U-Net of notebook 06: encoder, decoder, and skips that concatenate.

    Shapes: X float (N, 1, H, W) to logits float (N, n_classes, H, W); H and W must be multiples of
    2 ** (len(widths) - 1). With skips=False the up-convolutions make twice as many maps instead, so
    that every other layer keeps its size.
    Source: Ronneberger, Fischer and Brox, U-Net, 2015; with padding and batch norm.
    """

    def __init__(self, n_classes=6, widths=(16, 32, 64), skips=True):
        super().__init__()
        self.skips = skips
        self.encoder, self.up, self.decoder = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for before, width in pairwise([1, *widths]):
            self.encoder.append(double_convolution(before, width))
        for wide, narrow in pairwise(reversed(widths)):
            up_channels = narrow if skips else 2 * narrow
            self.up.append(nn.ConvTranspose2d(wide, up_channels, kernel_size=2, stride=2))
            self.decoder.append(double_convolution(2 * narrow, narrow))
        self.head = nn.Conv2d(widths[0], n_classes, kernel_size=1)

    def forward(self, X):
        encoded = []
        for stage in self.encoder:
            X = stage(F.max_pool2d(X, 2) if encoded else X)
            encoded.append(X)
        for up, stage, skip in zip(self.up, self.decoder, encoded[-2::-1]):
            X = up(X)  # twice as high and wide
            if self.skips:
                X = torch.cat([skip, X], dim=1)
            X = stage(X)
        return self.head(X)
