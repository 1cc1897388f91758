"""The networks of the course, each as the notebook that teaches it defines it."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


class CNN(nn.Sequential):
    """Two convolutions, one max-pool, two dense layers: the classifier of the lesson on training.

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
    """Dense layers only, with about as many parameters as CNN: the baseline for it.

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
    """y = ReLU(F(x, {W}) + x), where F is two 3 × 3 convolutions with batch norm.

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
    """A small residual network: 6n + 2 layers with weights, n blocks per stage.

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


class PreActivationBlock(nn.Module):
    """y = F(x) + x with batch norm and ReLU before each convolution, and nothing after the sum.

    Made from the convolutions of a ResidualBlock; the shapes of x and y are the same as there.
    Source: He, Zhang, Ren and Sun, Identity mappings in deep residual networks, 2016.
    """

    def __init__(self, block):
        super().__init__()
        conv1, norm, relu, conv2, _ = block.residual
        first_norm = nn.BatchNorm2d(conv1.in_channels)
        self.residual = nn.Sequential(first_norm, nn.ReLU(), conv1, norm, relu, conv2)
        projected = isinstance(block.shortcut, nn.Sequential)
        self.shortcut = block.shortcut[0] if projected else nn.Identity()

    def forward(self, x):
        return self.residual(x) + self.shortcut(x)


def residual_blocks(model):
    """The blocks of a ResNet, from the input on."""
    return [block for part in model if isinstance(part, nn.Sequential) for block in part]


def with_pre_activation(model):
    """Move batch norm and ReLU in front of the convolutions of a ResNet."""
    model[1], model[2] = nn.Identity(), nn.Identity()
    for stage in (model[3], model[4], model[5]):
        for place, block in enumerate(stage):
            stage[place] = PreActivationBlock(block)
    model[6] = nn.Sequential(nn.BatchNorm2d(model[8].in_features), nn.ReLU(), model[6])
    return model


def with_silent_branches(model):
    """Start every block of a ResNet with F(x) = 0: the last batch norm gets the factor 0."""
    for block in residual_blocks(model):
        nn.init.zeros_(block.residual[-1].weight)
    return model


def without_batch_norm(model):
    """Replace every batch norm in the model by the identity."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    return model


class Scale(nn.Module):
    """Multiply by a number that is learned; any shape to the same."""

    def __init__(self, start):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(start))

    def forward(self, x):
        return self.factor * x


def with_scaled_branches(model):
    """Take the batch norms of a ResNet away, and scale F(x) by 1 / sqrt(number of blocks).

    Source: De and Smith, Batch normalization biases residual blocks towards the identity function
    in deep networks, 2020.
    """
    blocks = residual_blocks(without_batch_norm(model))
    for block in blocks:
        block.residual[-1] = Scale(len(blocks) ** -0.5)
    return model


def double_convolution(in_channels, out_channels, padding=1):
    """Two 3 × 3 convolutions, each with batch norm and ReLU.

    Shapes: (N, in_channels, H, W) to (N, out_channels, H, W), or to H - 4 and W - 4 with padding=0.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=padding, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=padding, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def join(skip, X, how):
    """Put the maps of a skip (N, C, H, W) together with those from below, cropped to their size."""
    if how == "none":
        return X
    rows, columns = [(large - small) // 2 for large, small in zip(skip.shape[2:], X.shape[2:])]
    skip = F.pad(skip, [-columns, -columns, -rows, -rows])  # a negative padding crops
    return skip + X if how == "add" else torch.cat([skip, X], dim=1)


class UNet(nn.Module):
    """The small U-Net of the lesson on the U-Net: encoder, decoder, and skips.

    Shapes: X float (N, 1, H, W) to logits float (N, n_classes, H, W); H and W must be multiples of
    2 ** (len(widths) - 1). With padding=0 the output is smaller, as in the original; then every
    max-pool must get an even height and width.

    Args:
        skips: "concatenate", "add" or "none", for all levels or a list of one word for each,
            from the bottom up. Where there is none, the up-convolution makes twice as many maps,
            so that every other layer keeps its size.
    Source: Ronneberger, Fischer and Brox, U-Net, 2015; here with batch norm.
    """

    def __init__(self, n_classes=6, widths=(16, 32, 64), skips="concatenate", padding=1):
        super().__init__()
        self.skips = [skips] * (len(widths) - 1) if isinstance(skips, str) else skips
        self.encoder, self.up, self.decoder = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for before, width in pairwise([1, *widths]):
            self.encoder.append(double_convolution(before, width, padding))
        for how, (wide, narrow) in zip(self.skips, pairwise(reversed(widths))):
            up_channels = 2 * narrow if how == "none" else narrow
            joined_channels = narrow if how == "add" else 2 * narrow
            self.up.append(nn.ConvTranspose2d(wide, up_channels, kernel_size=2, stride=2))
            self.decoder.append(double_convolution(joined_channels, narrow, padding))
        self.head = nn.Conv2d(widths[0], n_classes, kernel_size=1)

    def forward(self, X):
        encoded = []
        for stage in self.encoder[:-1]:
            encoded.append(stage(X))
            X = F.max_pool2d(encoded[-1], 2)  # half as high and wide
        X = self.encoder[-1](X)  # the bottleneck
        for up, stage, how in zip(self.up, self.decoder, self.skips):
            X = up(X)  # twice as high and wide
            X = stage(join(encoded.pop(), X, how))
        return self.head(X)


class PatchEmbedding(nn.Module):
    """Cut images into patches and turn each into a vector, with one strided convolution.

    Shapes: X float (N, 1, H, W) to float (N, P, dim), the P = (H / patch_size) · (W / patch_size)
    patches in reading order.
    Source: Dosovitskiy et al., An image is worth 16x16 words, 2021 (preprint 2020), section 3.1.
    """

    def __init__(self, patch_size=7, dim=32):
        super().__init__()
        self.project = nn.Conv2d(1, dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, X):
        maps = self.project(X)  # (N, D, 4, 4)
        return maps.flatten(2).transpose(1, 2)  # (N, P, D)


def attention(Q, K, V):
    """Means of the values, weighted by how well each query fits each key.

    Args:
        Q, K, V: queries, keys and values, float (..., T, d).

    Returns:
        (outputs, weights): float (..., T, d) and (..., T, T); every row of weights sums to 1.
    Source: Vaswani et al., Attention is all you need, 2017, equation 1.
    """
    scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])  # (..., T, T)
    weights = scores.softmax(dim=-1)  # every row sums to 1
    return weights @ V, weights


class MultiHeadAttention(nn.Module):
    """Self-attention in several heads, each on its own dim / heads features.

    Shapes: X float (N, T, dim) to the same. After a call, `weights` holds the attention weights,
    (N, heads, T, T), without gradient.
    Source: Vaswani et al., Attention is all you need, 2017, section 3.2.2.
    """

    def __init__(self, dim=32, heads=4):
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)

    def forward(self, X):
        N, T, D = X.shape
        QKV = self.to_qkv(X).view(N, T, 3, self.heads, D // self.heads)
        Q, K, V = QKV.permute(2, 0, 3, 1, 4)  # (N, heads, T, d) each
        mixed, weights = attention(Q, K, V)
        self.weights = weights.detach()  # (N, heads, T, T), to look at later
        return self.project(mixed.transpose(1, 2).flatten(2))  # (N, T, D)


class EncoderBlock(nn.Module):
    """Tokens exchange in attention, then each is worked on alone; both with norm and skip.

    Shapes: X float (N, T, dim) to the same.
    Source: Dosovitskiy et al., An image is worth 16x16 words, 2021, equations 2 and 3.
    """

    def __init__(self, dim=32, heads=4, mlp_ratio=2):
        super().__init__()
        hidden = mlp_ratio * dim
        self.norm1 = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, X):
        X = X + self.attention(self.norm1(X))
        return X + self.mlp(self.norm2(X))


class ViT(nn.Module):
    """A small vision transformer: patches, class token, positions, encoder blocks.

    Shapes: X float (N, 1, 28, 28) to logits float (N, 10). 19,658 parameters by default. With
    positions=False the position embeddings are zero and stay so.
    Source: Dosovitskiy et al., An image is worth 16x16 words, 2021 (preprint 2020).
    """

    def __init__(self, patch_size=7, dim=32, depth=2, heads=4, positions=True):
        super().__init__()
        shape = (1, 1 + (28 // patch_size) ** 2, dim)
        start = 0.2 * torch.randn(shape) if positions else torch.zeros(shape)
        self.embedding = PatchEmbedding(patch_size, dim)
        self.class_token = nn.Parameter(0.2 * torch.randn(1, 1, dim))
        self.positions = nn.Parameter(start, requires_grad=positions)
        self.blocks = nn.Sequential(*[EncoderBlock(dim, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 10)

    def tokens(self, X):
        patches = self.embedding(X)  # (N, P, D)
        class_token = self.class_token.expand(len(X), -1, -1)  # (N, 1, D)
        return torch.cat([class_token, patches], dim=1) + self.positions  # (N, 1 + P, D)

    def forward(self, X):
        tokens = self.blocks(self.tokens(X))
        return self.head(self.norm(tokens[:, 0]))  # (N, 10): logits


class PostNormBlock(EncoderBlock):
    """The block of the first transformers: the norms stand after the additions, on the main path.

    Shapes: X float (N, T, dim) to the same. The parameters are those of EncoderBlock.
    Source: Vaswani et al., Attention is all you need, 2017, section 3.1.
    """

    def forward(self, X):
        X = self.norm1(X + self.attention(X))
        return self.norm2(X + self.mlp(X))


class MeanPoolViT(ViT):
    """A ViT that reads the digit off the mean of its patch tokens; it has no class token.

    Shapes: X float (N, 1, 28, 28) to logits float (N, 10).
    Source: Beyer, Zhai and Kolesnikov, Better plain ViT baselines for ImageNet-1k, 2022.
    """

    def forward(self, X):
        tokens = self.blocks(self.tokens(X)[:, 1:])  # (N, P, D), no class token
        return self.head(self.norm(tokens).mean(dim=1))  # (N, 10): logits


class RegisterViT(ViT):
    """A ViT with a few more learned tokens, registers, which have no patch and are not read out.

    Shapes: X float (N, 1, 28, 28) to logits float (N, 10).
    Source: Darcet, Oquab, Mairal and Bojanowski, Vision transformers need registers, 2024.
    """

    def __init__(self, registers=4, dim=32):
        super().__init__(dim=dim)
        self.registers = nn.Parameter(0.2 * torch.randn(1, registers, dim))

    def tokens(self, X):
        registers = self.registers.expand(len(X), -1, -1)  # (N, R, D)
        return torch.cat([super().tokens(X), registers], dim=1)  # (N, 1 + P + R, D)


def small_cnn():
    """A CNN with as many parameters as ViT(): X (N, 1, 28, 28) to logits (N, 10)."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, stride=2, padding=1),  # (N, 12, 14, 14)
        nn.ReLU(),
        nn.Conv2d(12, 28, 3, stride=2, padding=1),  # (N, 28, 7, 7)
        nn.ReLU(),
        nn.Conv2d(28, 40, 3, stride=2, padding=1),  # (N, 40, 4, 4)
        nn.ReLU(),
        nn.Flatten(),  # (N, 640)
        nn.Linear(40 * 4 * 4, 10),  # (N, 10): logits
    ).to(memory_format=torch.channels_last)


def small_mlp():
    """Dense layers with as many parameters as ViT(): X (N, 1, 28, 28) to logits (N, 10)."""
    return nn.Sequential(
        nn.Flatten(),  # (N, 784)
        nn.Linear(28 * 28, 24),  # (N, 24)
        nn.ReLU(),
        nn.Linear(24, 10),  # (N, 10): logits
    )
