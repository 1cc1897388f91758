"""What is stored for the pages: the network that reads drawings, and the data of the explorer."""

import json
import math

import numpy as np
import torch
from demo_pages import DEMOS


def stored_tensors(folder):
    """The parameters in weights.bin, as they were stored."""
    manifest = json.loads((folder / "weights.json").read_text())
    values = torch.from_numpy(np.fromfile(folder / "weights.bin", "<f2").astype("f4"))
    sizes = [math.prod(tensor["shape"]) for tensor in manifest["tensors"]]
    parts = zip(manifest["tensors"], values.split(sizes))
    return {tensor["name"]: part.view(tensor["shape"]) for tensor, part in parts}


def explored():
    return json.loads((DEMOS / "explore" / "data.json").read_text())
