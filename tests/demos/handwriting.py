"""Ten digits in six handwritings, as strokes on a square of side 1; four sizes and their places."""

import math

import numpy as np


def arc(x, y, rx, ry, start, end, n=24):
    """Points on an ellipse, angles in degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, n))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


ROUND = {
    0: [arc(0.5, 0.5, 0.22, 0.33, -80, 290)],
    1: [[(0.4, 0.3), (0.52, 0.18), (0.5, 0.82)]],
    2: [[*arc(0.5, 0.34, 0.19, 0.17, -170, 40), (0.3, 0.8), (0.74, 0.78)]],
    3: [[*arc(0.47, 0.34, 0.18, 0.15, -150, 90), *arc(0.48, 0.65, 0.2, 0.17, -90, 150)]],
    4: [[(0.36, 0.2), (0.3, 0.52), (0.7, 0.5)], [(0.66, 0.2), (0.6, 0.85)]],
    5: [[(0.7, 0.2), (0.36, 0.2), (0.33, 0.48), *arc(0.48, 0.62, 0.21, 0.19, -120, 140)]],
    6: [[*arc(0.66, 0.5, 0.32, 0.36, -110, -180), *arc(0.52, 0.66, 0.17, 0.17, 180, 520)]],
    7: [[(0.27, 0.22), (0.73, 0.2), (0.5, 0.5), (0.42, 0.84)]],
    8: [[*arc(0.5, 0.34, 0.15, 0.15, 60, -240), *arc(0.5, 0.67, 0.19, 0.18, -120, 240)]],
    9: [[*arc(0.5, 0.36, 0.17, 0.16, -20, -380), (0.64, 0.6), (0.56, 0.86)]],
}
# As taught in much of continental Europe: a long upstroke on the 1, a bar across the 7.
EUROPEAN = ROUND | {
    1: [[(0.3, 0.46), (0.56, 0.16), (0.56, 0.84)]],
    4: [[(0.54, 0.16), (0.26, 0.6), (0.76, 0.6)], [(0.6, 0.42), (0.58, 0.86)]],
    7: [[(0.28, 0.2), (0.74, 0.2), (0.44, 0.84)], [(0.36, 0.5), (0.68, 0.5)]],
    9: [[*arc(0.5, 0.36, 0.17, 0.17, -20, -380), *arc(0.44, 0.56, 0.24, 0.28, -10, 130)]],
}
# As taught in the United States: a bare bar for the 1, a closed 4, a straight stem on the 9.
AMERICAN = ROUND | {
    1: [[(0.5, 0.16), (0.5, 0.84)]],
    4: [[(0.34, 0.18), (0.32, 0.52), (0.68, 0.52)], [(0.66, 0.16), (0.66, 0.84)]],
    6: [
        [(0.6, 0.16), *arc(0.52, 0.5, 0.2, 0.3, -140, -200), *arc(0.5, 0.66, 0.17, 0.17, 170, 510)]
    ],
    7: [[(0.28, 0.2), (0.72, 0.2), (0.44, 0.84)]],
    9: [[*arc(0.5, 0.36, 0.17, 0.18, 0, -360), (0.67, 0.36), (0.66, 0.84)]],
}
# With a foot and a flag on the 1, a serif on the 7, a loop in the 2.
PRINTED = ROUND | {
    0: [arc(0.5, 0.5, 0.19, 0.34, -90, 270)],
    1: [[(0.36, 0.32), (0.52, 0.18), (0.52, 0.82)], [(0.36, 0.82), (0.68, 0.82)]],
    2: [
        [
            *arc(0.5, 0.32, 0.19, 0.15, -170, 50),
            *arc(0.38, 0.76, 0.09, 0.06, -60, -330, 12),
            (0.56, 0.8),
            (0.74, 0.76),
        ]
    ],
    7: [
        [(0.27, 0.3), (0.28, 0.2), (0.74, 0.2), (0.52, 0.52), (0.46, 0.84)],
        [(0.38, 0.52), (0.64, 0.5)],
    ],
    8: [
        [
            (0.66, 0.26),
            *arc(0.5, 0.33, 0.16, 0.15, -40, -260, 16),
            *arc(0.5, 0.66, 0.19, 0.17, -80, 240),
            (0.64, 0.3),
        ]
    ],
}
# Of straight lines only.
ANGULAR = {
    0: [[(0.34, 0.2), (0.66, 0.2), (0.68, 0.82), (0.32, 0.82), (0.34, 0.2)]],
    1: [[(0.38, 0.34), (0.52, 0.18), (0.52, 0.84)]],
    2: [[(0.32, 0.26), (0.5, 0.18), (0.68, 0.28), (0.64, 0.44), (0.32, 0.82), (0.72, 0.82)]],
    3: [
        [
            (0.32, 0.2),
            (0.68, 0.2),
            (0.48, 0.46),
            (0.68, 0.58),
            (0.66, 0.76),
            (0.48, 0.84),
            (0.3, 0.78),
        ]
    ],
    4: [[(0.4, 0.18), (0.28, 0.56), (0.72, 0.56)], [(0.62, 0.34), (0.62, 0.86)]],
    5: [
        [
            (0.68, 0.2),
            (0.36, 0.2),
            (0.34, 0.46),
            (0.62, 0.5),
            (0.68, 0.68),
            (0.54, 0.84),
            (0.32, 0.8),
        ]
    ],
    6: [
        [
            (0.6, 0.18),
            (0.38, 0.46),
            (0.34, 0.76),
            (0.5, 0.84),
            (0.66, 0.76),
            (0.64, 0.56),
            (0.36, 0.58),
        ]
    ],
    7: [[(0.28, 0.2), (0.72, 0.2), (0.46, 0.84)]],
    8: [
        [
            (0.64, 0.26),
            (0.5, 0.18),
            (0.36, 0.28),
            (0.66, 0.66),
            (0.5, 0.84),
            (0.34, 0.68),
            (0.64, 0.26),
        ]
    ],
    9: [[(0.66, 0.34), (0.48, 0.18), (0.34, 0.32), (0.44, 0.48), (0.66, 0.34), (0.6, 0.84)]],
}


def slanted(strokes, slant):
    """Strokes that lean to the right."""
    return [[(x - slant * (y - 0.5), y) for x, y in points] for points in strokes]


STYLES = {
    "round": ROUND,
    "European": EUROPEAN,
    "American": AMERICAN,
    "printed": PRINTED,
    "angular": ANGULAR,
    "slanted": {digit: slanted(strokes, 0.3) for digit, strokes in ROUND.items()},
}
CORNERS = [(-0.33, -0.33), (0.33, -0.33), (-0.33, 0.33), (0.33, 0.33)]


def place(digit, size):
    """Where the middle of a digit is, from the middle of the paper."""
    return CORNERS[digit % 4] if size == 0.28 else (0.0, 0.0)


SIZES = (0.95, 0.6, 0.28, 0.12)  # of the paper


def placed(strokes, size=1.0, dx=0.0, dy=0.0):
    """Strokes made smaller about the middle of the paper, and moved."""
    return [
        [(dx + 0.5 + size * (x - 0.5), dy + 0.5 + size * (y - 0.5)) for x, y in points]
        for points in strokes
    ]


def drawings():
    """All of them: (style, digit, size, strokes)."""
    for name, style in STYLES.items():
        for digit, strokes in style.items():
            for size in SIZES:
                yield name, digit, size, placed(strokes, size, *place(digit, size))
