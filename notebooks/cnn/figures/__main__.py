"""Write all figures into a folder: `python -m cnn.figures ../images`, in notebooks/."""

import sys
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt

from cnn.figures.cards import favicon, lesson_card, lessons, link_card, series
from cnn.figures.convolution import (
    block_diagram,
    channels,
    convolution_step,
    convolution_window,
    kernels_on_a_digit,
    leftover_pixels,
    max_pooling,
    padding,
    stride_and_dilation,
)
from cnn.figures.resnet import residual_block, resnet
from cnn.figures.scaling import memory_layouts
from cnn.figures.unet import unet
from cnn.figures.vit import vit, vit_attention
from cnn.plotting import use_course_style

FIGURES = {
    "card.png": link_card,
    "favicon.svg": favicon,
    "series.svg": series,
    "block-diagram.svg": block_diagram,
    "convolution-step.svg": convolution_step,
    "convolution-window.png": convolution_window,
    "kernels-on-a-digit.svg": kernels_on_a_digit,
    "padding.svg": padding,
    "stride-and-dilation.svg": stride_and_dilation,
    "leftover-pixels.svg": leftover_pixels,
    "max-pooling.svg": max_pooling,
    "channels.svg": channels,
    "residual-block.svg": residual_block,
    "resnet.svg": resnet,
    "unet.svg": unet,
    "vit.svg": vit,
    "vit-attention.png": vit_attention,
    "memory-layouts.svg": memory_layouts,
} | {f"cards/{lesson}.png": partial(lesson_card, lesson) for lesson in lessons()}


def write_all(folder):
    """Draw every figure into the folder: SVG without a date, or animated PNG."""
    use_course_style()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, draw in FIGURES.items():
        drawn, path = draw(), folder / file_name
        path.parent.mkdir(exist_ok=True)
        if isinstance(drawn, bytes):
            path.write_bytes(drawn)
        else:
            drawn.savefig(path, metadata={"Date": None})
            plt.close(drawn)
        print(f"{path}: {path.stat().st_size // 1000} kB", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Name the folder to write to: python -m cnn.figures ../images")
    write_all(sys.argv[1])
