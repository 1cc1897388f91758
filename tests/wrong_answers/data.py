"""Wrong answers to the exercises on data, by the misconception each comes from."""

HEADER = """
header_read = {{
    "axes": {},
    "rows": 60_000,
    "columns": 5,
    "bytes of one value": {},
    "bytes of the file": {},
}}
"""
MEMBERS_OF = """
def members_of(part):
    images, labels = part.dataset.data, part.dataset.targets
    return {}
"""
TO_BATCH = "def to_batch(arrays):\n    return {}"
STANDARDISE = """
def standardise(X_training, X_other):
    {}
    return {}
"""
SHUFFLED = """
def shuffled(X, y):
    {}
    return {}
"""

WRONG = {
    "header": [
        ("signature", HEADER.format(3, 4, 1_200_012)),
        ("value type", HEADER.format(2, 1, 300_012)),
        ("value type", HEADER.format(2, 4, 300_012)),
        ("no header", HEADER.format(2, 4, 1_200_000)),
        ("length of the header", HEADER.format(2, 4, 1_200_016)),
    ],
    "members_of": [
        ("subset", MEMBERS_OF.format("images, labels")),
        ("first ones", MEMBERS_OF.format("images[: len(part)], labels[: len(part)]")),
        (
            "order",
            MEMBERS_OF.format("images[sorted(part.indices)], labels[sorted(part.indices)]"),
        ),
        ("labels", MEMBERS_OF.format("images[part.indices], labels[: len(part)]")),
    ],
    "to_batch": [
        ("reshape", TO_BATCH.format("arrays.view(len(arrays), 3, *arrays.shape[1:3]) / 255")),
        ("order", TO_BATCH.format("arrays / 255")),
        ("height and width", TO_BATCH.format("arrays.transpose(1, 3) / 255")),
        ("range", TO_BATCH.format("arrays.movedim(3, 1).float()")),
        ("scale", TO_BATCH.format("arrays.permute(0, 3, 1, 2) / arrays.max().float()")),
    ],
    "standardise": [
        (
            "leak",
            STANDARDISE.format(
                "X = torch.cat([X_training, X_other])",
                "(X_training - X.mean()) / X.std(), (X_other - X.mean()) / X.std()",
            ),
        ),
        (
            "own mean",
            STANDARDISE.format(
                "def own(X): return (X - X.mean()) / X.std()", "own(X_training), own(X_other)"
            ),
        ),
        (
            "variance",
            STANDARDISE.format(
                "mu, sigma = X_training.mean(), X_training.var()",
                "(X_training - mu) / sigma, (X_other - mu) / sigma",
            ),
        ),
        (
            "order",
            STANDARDISE.format(
                "mu, sigma = X_training.mean(), X_training.std()",
                "X_training - mu / sigma, X_other - mu / sigma",
            ),
        ),
    ],
    "shuffled": [
        ("shuffle", SHUFFLED.format("n = len(X)", "X[torch.randperm(n)], y[torch.randperm(n)]")),
        ("shuffle", SHUFFLED.format("order = torch.randperm(len(X))", "X[order], y")),
        (
            "replacement",
            SHUFFLED.format("order = torch.randint(len(X), (len(X),))", "X[order], y[order]"),
        ),
        ("in order", SHUFFLED.format("order = torch.arange(len(X))", "X[order], y[order]")),
        (
            "seed",
            SHUFFLED.format(
                "torch.manual_seed(0); order = torch.randperm(len(X))", "X[order], y[order]"
            ),
        ),
    ],
}
