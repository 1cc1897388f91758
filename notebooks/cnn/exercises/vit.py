"""The exercises of the lesson on vision transformers: length, scale and heads of attention, and what it cannot tell."""

import math

import torch.nn.functional as F

from cnn.exercises.checking import Wrong, call, compare, exercise, show_call


@exercise(
    hints=[
        "Lay the patches out as on the figure: how many fit side by side, and how many rows of"
        " them?",
        "One token is no patch: the class token. Add it before you square.",
        "Channels make a patch deeper, not more numerous: they are among the numbers that the"
        " dense layer turns into one token.",
    ],
    why="Half the patch size makes four times the patches and nearly sixteen times the attention"
    " weights. This is why the patches of the paper are as large as 16 × 16, and why attention"
    " over single pixels is out of reach.",
    misconceptions={
        "patches and tokens": "the class token is missing. It is one more in the sequence, and it"
        " asks and answers like all others.",
        "two directions": "this counts the patches of one row. An image has as many rows as fit"
        " into its height.",
        "channels": "a patch is cut through all channels at once and becomes one token. Colour"
        " does not make the sequence longer.",
        "every token asks every token": "each token has a weight for every token, itself"
        " included, so a head has as many weights as the *square* of the length.",
    },
)
def sequence(attempt, draw):
    cases = [(224, 224, 3, 16)]
    for channels in (1, 3):
        patch_size = draw.choice([2, 4, 7, 8])
        rows = draw.randrange(3, 9)
        columns = rows + draw.randrange(1, 4)
        cases.append((rows * patch_size, columns * patch_size, channels, patch_size))

    def lengths(n_tokens):
        return n_tokens, n_tokens**2

    def n_patches(height, width, channels, patch_size):
        return (height // patch_size) * (width // patch_size)

    compare(
        attempt,
        lambda *args: lengths(1 + n_patches(*args)),
        cases,
        {
            "patches and tokens": lambda *args: lengths(n_patches(*args)),
            "two directions": lambda height, width, channels, patch_size: lengths(
                1 + width // patch_size
            ),
            "channels": lambda *args: lengths(1 + args[2] * n_patches(*args)),
            "every token asks every token": lambda *args: (
                1 + n_patches(*args),
                1 + n_patches(*args),
            ),
        },
    )


@exercise(
    hints=[
        "One product first. With mean 0, the variance of q · k is the variance of q times that of"
        " k.",
        "Variances of independent terms add up, and a score has d of them. So the variance of a"
        " score is d times that of one product.",
        "What a number must be divided by to have variance 1 is its standard deviation, the root"
        " of its variance.",
    ],
    why="With standard deviations of 1, this is the square root of d, and no magic: it is the"
    " standard deviation of a sum. Where queries and keys grow in training, scores grow with"
    " them, and the softmax becomes sharp although the formula has its root.",
    misconceptions={
        "the root of d by heart": "that is right for numbers of standard deviation 1 only. Here"
        " they have others, and the scores follow.",
        "variance and its root": "this is the variance of a score. To give a number"
        " variance 1, divide it by its standard deviation, the root of the variance.",
        "number of terms": "this is the standard deviation of a single product. A score is the"
        " sum of d of them.",
        "terms add in variance": "independent terms partly cancel. Their *variances* add up, so"
        " the spread of the sum grows with the root of d, not with d.",
    },
)
def score_scale(attempt, draw):
    cases = [(16, 2.0, 3.0)]
    for d in (draw.randrange(5, 30), draw.randrange(40, 200)):
        cases.append((d, round(draw.uniform(1.2, 4), 1), round(draw.uniform(0.2, 0.7), 1)))

    compare(
        attempt,
        lambda d, std_q, std_k: std_q * std_k * math.sqrt(d),
        cases,
        {
            "the root of d by heart": lambda d, std_q, std_k: math.sqrt(d),
            "variance and its root": lambda d, std_q, std_k: d * (std_q * std_k) ** 2,
            "number of terms": lambda d, std_q, std_k: std_q * std_k,
            "terms add in variance": lambda d, std_q, std_k: d * std_q * std_k,
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
