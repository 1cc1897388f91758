"""Wrong answers to the exercises on vision transformers, by the misconception each comes from."""

SEQUENCE = """
def sequence(height, width, channels, patch_size, D):
    P = (height // patch_size) * (width // patch_size)
    T = {}
    return T, {}, {} * patch_size**2 * D + 2 * D + {} * D
"""

MASKED = """
def masked_attention(Q, K, V, absent):
    scores = Q @ K.T / {}
    return {} @ V
"""

CONTROL = """
import itertools

def control_pair(ink, attended):
    due = sum(ink[i] for i in attended)
    pairs = itertools.combinations(range(len(ink)), 2)
    pairs = [p for p in pairs if {}]
    return min(pairs, key=lambda p: {})
"""
TOTAL = "ink[p[0]] + ink[p[1]]"
DISJOINT = "not set(p) & set(attended)"
EACH = """
def control_pair(ink, attended):
    chosen = []
    for a in attended:
        free = [i for i in range(len(ink)) if i not in attended and i not in chosen]
        chosen.append(min(free, key=lambda i: abs(ink[i] - ink[a])))
    return tuple(sorted(chosen))
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
        ("patches and tokens", SEQUENCE.format("P", "T * T", "channels", "T")),
        ("two directions", SEQUENCE.format("1 + width // patch_size", "T * T", "channels", "T")),
        ("channels", SEQUENCE.format("1 + P * channels", "T * T", "1", "T")),
        ("every token asks every token", SEQUENCE.format("1 + P", "T", "channels", "T")),
        ("a place for the class token", SEQUENCE.format("1 + P", "T * T", "channels", "P")),
    ],
    "masked_attention": [
        (
            "zero is a score",
            MASKED.format("math.sqrt(Q.shape[1])", "scores.masked_fill(absent, 0).softmax(dim=1)"),
        ),
        (
            "weights that do not add up",
            MASKED.format("math.sqrt(Q.shape[1])", "scores.softmax(dim=1) * ~absent"),
        ),
        (
            "keys, not queries",
            MASKED.format(
                "math.sqrt(Q.shape[1])",
                "scores.masked_fill(absent[:, None], -torch.inf).softmax(dim=1)",
            ),
        ),
        ("the root", MASKED.format("1", "scores.masked_fill(absent, -torch.inf).softmax(dim=1)")),
    ],
    "control_pair": [
        (
            "the same patches again",
            CONTROL.format("set(p) != set(attended)", f"abs({TOTAL} - due)"),
        ),
        ("as much ink as possible", CONTROL.format(DISJOINT, f"-({TOTAL})")),
        ("each patch for itself", EACH),
        ("too much is as bad as too little", CONTROL.format(DISJOINT, f"{TOTAL} - due")),
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
