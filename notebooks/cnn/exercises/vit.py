"""The exercises of the lesson on vision transformers: size, masks, heads, controls, and order."""

import math
from itertools import combinations

import torch.nn.functional as F

from cnn.exercises.checking import Wrong, call, compare, exercise, show_call


@exercise(
    hints=[
        "Lay the patches out as in the first figure: how many fit side by side, and how many rows"
        " of them?",
        "One token is no patch: the class token. Add it before you square, and give it a position"
        " embedding too.",
        "Channels make a patch deeper and not more numerous: a patch has channels · patch_size²"
        " numbers, and each of the D numbers of its token has a weight for every one of them, and"
        " a bias.",
    ],
    why="Half the patch size makes four times the patches and nearly sixteen times the attention"
    " weights, while the parameters hardly change. This is why the patches of the paper are as"
    " large as 16 × 16, and why attention over single pixels costs so much.",
    misconceptions={
        "patches and tokens": "the class token is missing. It is one more in the sequence, and it"
        " asks and answers like all others.",
        "two directions": "this counts the patches of one row. An image has as many rows as fit"
        " into its height.",
        "channels": "a patch is cut through all channels at once and becomes one token. Colour"
        " makes the patch deeper and the sequence no longer.",
        "every token asks every token": "each token has a weight for every token, itself"
        " included, so a head has as many weights as the *square* of the length.",
        "a place for the class token": "the position embeddings are one short. The class token has"
        " one as well, the first.",
    },
)
def sequence(attempt, draw):
    cases = [(224, 224, 3, 16, 768)]
    for channels in (1, 3):
        patch_size = draw.choice([2, 4, 7, 8])
        rows = draw.randrange(3, 9)
        columns = rows + draw.randrange(1, 4)
        D = 8 * draw.randrange(2, 9)
        cases.append((rows * patch_size, columns * patch_size, channels, patch_size, D))

    def answer(height, width, channels, p, D, T=None, weights=None, depth=None, n_positions=None):
        T = T or 1 + (height // p) * (width // p)
        embedding = (depth or channels) * p**2 * D + D
        return T, weights or T**2, embedding + D + (n_positions or T) * D

    def n_patches(height, width, channels, p, D):
        return (height // p) * (width // p)

    compare(
        attempt,
        answer,
        cases,
        {
            "patches and tokens": lambda *args: answer(*args, T=n_patches(*args)),
            "two directions": lambda *args: answer(*args, T=1 + args[1] // args[3]),
            "channels": lambda *args: answer(*args, T=1 + args[2] * n_patches(*args), depth=1),
            "every token asks every token": lambda *args: answer(
                *args, weights=1 + n_patches(*args)
            ),
            "a place for the class token": lambda *args: answer(
                *args, n_positions=n_patches(*args)
            ),
        },
    )


@exercise(
    hints=[
        "Start from the three lines of `attention`. Only the scores change, before the softmax.",
        "An absent key must get the weight 0, and the weights of the others must still add up to"
        " 1. Which score does softmax turn into 0?",
        "`scores.masked_fill(absent, -torch.inf)` does it. `absent` has an entry for each key, and"
        " the keys are the *columns* of the scores.",
    ],
    why="This is how a transformer works on sentences of different lengths in one batch. With a"
    " mask of its own for each query, a language model is kept from reading ahead. And below, it"
    " is how patches are taken away from a network with nothing put in their place.",
    misconceptions={
        "zero is a score": "a score of 0 is no absence: softmax gives it the weight e⁰ = 1 before"
        " the division. Setting the key to 0 has the same effect.",
        "weights that do not add up": "the weights were set to 0 after the softmax, so those that"
        " are left add up to less than 1. The result is no mean any more.",
        "keys, not queries": "this hides rows of the scores, the queries. A key is a column.",
        "the root": "the scores were not divided by the root of d.",
    },
)
def masked_attention(attempt, draw):
    cases = []
    for T, d in [(4, 4), (6, 9)]:
        absent = draw.normal(T).argsort() < 2  # two of them
        cases.append((*draw.normal(3, T, d), absent))

    def scores(Q, K, d=None):
        return Q @ K.T / math.sqrt(d or Q.shape[-1])

    def zero_weights(Q, K, V, absent):
        return scores(Q, K).softmax(dim=1).masked_fill(absent, 0) @ V

    compare(
        attempt,
        lambda Q, K, V, absent: scores(Q, K).masked_fill(absent, -math.inf).softmax(dim=1) @ V,
        cases,
        {
            "zero is a score": lambda Q, K, V, absent: (
                scores(Q, K).masked_fill(absent, 0).softmax(dim=1) @ V
            ),
            "weights that do not add up": zero_weights,
            "keys, not queries": lambda Q, K, V, absent: (
                scores(Q, K).masked_fill(absent[:, None], -math.inf).softmax(dim=1) @ V
            ),
            "the root": lambda Q, K, V, absent: (
                scores(Q, K, d=1).masked_fill(absent, -math.inf).softmax(dim=1) @ V
            ),
        },
    )


def in_heads(Q, K, V, heads, dim=-1, scale=None, mixed=False):
    """Attention in several heads; with the other arguments, as misconceptions have it."""
    N, T, D = Q.shape
    d = D // heads

    def divided(Z):
        return Z.reshape(N, heads, T, d) if mixed else Z.view(N, T, heads, d).transpose(1, 2)

    scores = divided(Q) @ divided(K).transpose(-2, -1) / math.sqrt(scale or d)
    Z = scores.softmax(dim=dim) @ divided(V)  # (N, heads, T, d)
    return Z.reshape(N, T, D) if mixed else Z.transpose(1, 2).reshape(N, T, D)


@exercise(
    hints=[
        "Head number h works with the features h · d to (h + 1) · d - 1 of all tokens, where"
        " d = D / heads. Which slice of Q, K and V is that?",
        "Each head is the attention of the lesson, on its slice. The scale counts the features"
        " that *this* dot product adds up.",
        "Put the results of the heads side by side again: `torch.cat(results, dim=-1)`.",
    ],
    why="Several heads are several attentions on slices of the features, no more. They cost as"
    " many multiply-adds as one attention on all features, and each has its own softmax, so that"
    " a token can look at several places at once.",
    misconceptions={
        "the d of a head": "a dot product within a head adds up D / heads products, so that is"
        " the d under the root. With the whole D every softmax comes out too even.",
        "softmax over the keys": "each *query* divides its attention among the keys, so each row"
        " of the weights adds up to 1. This normalised the columns.",
        "features, not tokens": "a `reshape` straight to (N, heads, T, d) cuts the numbers in the"
        " order of memory, and mixes tokens. Cut the features, and move the heads forward after"
        " that.",
        "side by side": "the heads were averaged. Each has found something else, so their results"
        " stand side by side, as features.",
    },
)
def multi_head(attempt, draw):
    cases = []
    for heads, T in [(2, 3), (4, 5)]:
        D = heads * draw.randrange(2, 5)
        cases.append((*(2 * draw.normal(3, 2, T, D)), heads))

    compare(
        attempt,
        in_heads,
        cases,
        {
            "the d of a head": lambda Q, K, V, heads: in_heads(Q, K, V, heads, scale=Q.shape[-1]),
            "softmax over the keys": lambda *args: in_heads(*args, dim=-2),
            "features, not tokens": lambda *args: in_heads(*args, mixed=True),
            "side by side": lambda Q, K, V, heads: (
                in_heads(Q, K, V, heads).unflatten(-1, (heads, -1)).mean(dim=2)
            ),
        },
    )


@exercise(
    hints=[
        "`itertools.combinations(range(len(ink)), 2)` lists all pairs. Which of them may be used?",
        "A pair that shares a patch with the attended ones is no control. Leave it out.",
        "Of those that remain, take the pair with the smallest absolute difference between its ink"
        " and the ink of the attended pair: `min(pairs, key=...)`.",
    ],
    why="Patches with much ink matter, and attention prefers patches with ink. Only a control with"
    " the same ink tells whether attention knows more than that. The same holds for every picture"
    " that claims to show what a network looks at.",
    misconceptions={
        "the same patches again": "the control shares a patch with the attended pair, so it"
        " partly takes away the same thing.",
        "as much ink as possible": "these are the two other patches with the most ink. The control"
        " must hold as much as the attended pair, neither less nor more.",
        "each patch for itself": "here each patch was matched with one attended patch. It is the"
        " ink of the two together that is taken away.",
        "too much is as bad as too little": "the difference counts without its sign. Here pairs"
        " with less ink won only because the difference was negative.",
    },
)
def control_pair(attempt, draw):
    cases = [_ambiguous_case(draw) for _ in range(3)]
    compare(attempt, _control_pair, cases, CONTROL_MISTAKES)


def _control_pair(ink, attended, disjoint=True, distance=abs):
    pairs = combinations(range(len(ink)), 2)
    due = sum(ink[i] for i in attended)
    free = [p for p in pairs if not disjoint or not set(p) & set(attended)]
    if not disjoint:
        free.remove(tuple(sorted(attended)))
    return min(free, key=lambda p: distance(ink[p[0]] + ink[p[1]] - due))


def _most_ink(ink, attended):
    others = [i for i in range(len(ink)) if i not in attended]
    return tuple(sorted(sorted(others, key=lambda i: -ink[i])[:2]))


def _each_for_itself(ink, attended):
    chosen = []
    for a in attended:
        others = [i for i in range(len(ink)) if i not in [*attended, *chosen]]
        chosen.append(min(others, key=lambda i: abs(ink[i] - ink[a])))
    return tuple(sorted(chosen))


CONTROL_MISTAKES = {
    "the same patches again": lambda ink, attended: _control_pair(ink, attended, disjoint=False),
    "as much ink as possible": _most_ink,
    "each patch for itself": _each_for_itself,
    "too much is as bad as too little": lambda ink, attended: _control_pair(
        ink, attended, distance=lambda difference: difference
    ),
}


def _ambiguous_case(draw):
    """Ink of nine patches and an attended pair for which every mistake shows."""
    while True:
        ink = [draw.randrange(1000) / 1000 for _ in range(9)]
        attended = tuple(sorted(draw.sample(range(9), 2)))
        answers = [_control_pair(ink, attended)]
        answers += [mistake(ink, attended) for mistake in CONTROL_MISTAKES.values()]
        totals = [ink[a] + ink[b] for a, b in combinations(range(9), 2)]
        due = sum(ink[i] for i in attended)
        distances = sorted(round(abs(total - due), 3) for total in totals)
        if len(set(answers)) == len(answers) and len(set(distances)) == len(distances):
            return ink, attended


@exercise(
    hints=[
        "Without positions the network gets the patches, but not their order. When are two images"
        " the same to it?",
        "Cut both into patches and compare the two *collections*: order does not count, the"
        " inside of a patch does, and so does how often a patch occurs. Attention takes means,"
        " and a patch that occurs twice has twice the weight.",
        "`F.unfold(X[None, None], patch_size, stride=patch_size)[0].T.tolist()` lists the"
        " patches, each as a list of its pixels. Two lists with the same things in another order"
        " are equal when sorted.",
    ],
    why="This is all that a transformer knows without positions: which pieces there are, and how"
    " many. Where they lie, it learns from the position embeddings alone. Inside a patch the"
    " place of every pixel counts, since each has its own weight in the embedding.",
    misconceptions={
        "order": "without positions attention cannot know the order of the patches. Images with"
        " the same patches in another order are the same to it.",
        "inside a patch": "the pixels of a patch each have their own weight in the embedding."
        " Moving them about within the patch makes another token.",
        "how often": "three patches of one kind and one of another are not one and three."
        " Attention takes means, so it matters how often a patch occurs.",
        "one number for a patch": "two different patches can be equally dark. The token is made"
        " of all pixels, not of their sum.",
        "more than a sum": "the sum over all patches is the same for many images. The softmax and"
        " the MLP treat each patch as a whole, before any sum is taken.",
    },
)
def same_without_positions(attempt, draw):
    p = draw.choice([2, 3])
    patches = draw.integers(2**20, p * p, 4).float()  # (pixels, patches), no two alike

    def picture(patches):
        return F.fold(patches[None], 2 * p, p, stride=p)[0, 0]

    inside, between = patches.clone(), patches.clone()
    inside[:2, 0] = patches[:2, 0].flip(0)
    between[0, :2] = patches[0, :2].flip(0)
    order = draw.choice([[1, 2, 3, 0], [3, 2, 1, 0], [2, 3, 0, 1]])
    few, many = [0, 0, 0, 1], [1, 0, 1, 1]
    cases = [
        (patches, patches[:, order], "B is A with its patches in another order"),
        (patches, patches, "B is A itself"),
        (patches, inside[:, order], "two pixels changed places within a patch"),
        (patches, between[:, order], "two patches exchanged one pixel"),
        (patches, patches[:, [0, 0, 1, 2]], "B has one patch of A twice and lacks another"),
        (patches[:, few], patches[:, many], "B has the patches of A, but not as many of each"),
    ]
    answers = [bool(call(attempt, picture(A), picture(B), p)) for A, B, _ in cases]
    for (A, B, what), answer in zip(cases, answers):
        expected = sorted(A.T.tolist()) == sorted(B.T.tolist())
        if answer != expected:
            shown = show_call(attempt, (picture(A), picture(B), p))
            message = f"{shown} returned {answer}, and it should be {expected}: {what}."
            raise Wrong(message, WHAT_WAS_COMPARED.get(tuple(answers)))


# The answers to the six cases by which a misconception shows.
WHAT_WAS_COMPARED = {
    (False, True, False, False, False, False): "order",
    (True, True, True, True, False, False): "inside a patch",
    (True, True, False, False, False, True): "how often",
    (True, True, True, False, False, False): "one number for a patch",
    (True, True, False, True, False, False): "more than a sum",
}
