"""Wrong answers to the exercises on vision transformers, by the misconception each comes from."""

SEQUENCE = """
def sequence(height, width, channels, patch_size):
    P = (height // patch_size) * (width // patch_size)
    T = {}
    return T, {}
"""

SCALE = """
def score_scale(d, std_q, std_k):
    return {}
"""

HEADS = """
def multi_head(Q, K, V, heads):
    N, T, D = Q.shape
    d = D // heads
    Q, K, V = ({} for Z in (Q, K, V))
    weights = (Q @ K.transpose(-2, -1) / math.sqrt({})).softmax(dim={})
    return {}
"""
CUT = "Z.view(N, T, heads, d).transpose(1, 2)"
JOIN = "(weights @ V).transpose(1, 2).flatten(2)"

SAME = """
def same_without_positions(A, B, patch_size):
    def seen(X):
        patches = F.unfold(X[None, None], patch_size, stride=patch_size)[0].T  # (P, pixels)
        return {}
    return seen(A) == seen(B)
"""

WRONG = {
    "sequence": [
        ("patches and tokens", SEQUENCE.format("P", "T * T")),
        ("two directions", SEQUENCE.format("1 + width // patch_size", "T * T")),
        ("channels", SEQUENCE.format("1 + P * channels", "T * T")),
        ("every token asks every token", SEQUENCE.format("1 + P", "T")),
    ],
    "score_scale": [
        ("the root of d by heart", SCALE.format("math.sqrt(d)")),
        ("variance and its root", SCALE.format("d * std_q**2 * std_k**2")),
        ("number of terms", SCALE.format("std_q * std_k")),
        ("terms add in variance", SCALE.format("d * std_q * std_k")),
    ],
    "multi_head": [
        ("the d of a head", HEADS.format(CUT, "D", -1, JOIN)),
        ("softmax over the keys", HEADS.format(CUT, "d", -2, JOIN)),
        (
            "features, not tokens",
            HEADS.format("Z.reshape(N, heads, T, d)", "d", -1, "(weights @ V).reshape(N, T, D)"),
        ),
        ("side by side", HEADS.format(CUT, "d", -1, "(weights @ V).mean(dim=1)")),
    ],
    "same_without_positions": [
        ("order", SAME.format("patches.tolist()")),
        ("inside a patch", SAME.format("patches.flatten().sort().values.tolist()")),
        ("how often", SAME.format("set(map(tuple, patches.tolist()))")),
        ("one number for a patch", SAME.format("sorted(patches.sum(dim=1).tolist())")),
        ("more than a sum", SAME.format("patches.double().sum(dim=0).tolist()")),
    ],
}
