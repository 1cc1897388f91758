"""The networks of the course, each as the notebook that teaches it defines it."""

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
