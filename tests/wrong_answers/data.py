"""Wrong answers to the exercises on data, by the misconception each comes from."""

TO_BATCH = "def to_batch(pictures):\n    return {}"
IMAGES_OF = "def images_of(part):\n    return {}"
BATCH_SIZES = """
predictions = {{
    "batches of 1,000": 12,
    "batches of 512": {},
    "images in the last of these": {},
    "its shape": {},
}}
"""
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
    "to_batch": [
        ("channels", TO_BATCH.format("pictures.float() / 255")),
        ("order", TO_BATCH.format("pictures[..., None].float() / 255")),
        ("range", TO_BATCH.format("pictures.unsqueeze(1).float()")),
        ("scale", TO_BATCH.format("pictures.unsqueeze(1) / pictures.max().float()")),
    ],
    "images_of": [
        ("subset", IMAGES_OF.format("part.dataset.data")),
        ("first ones", IMAGES_OF.format("part.dataset.data[range(len(part))]")),
        ("order", IMAGES_OF.format("part.dataset.data[torch.tensor(part.indices).sort().values]")),
    ],
    "batch_sizes": [
        ("floor", BATCH_SIZES.format("23", "224", "(224, 1, 28, 28)")),
        ("last batch", BATCH_SIZES.format("24", "512", "(512, 1, 28, 28)")),
        ("last batch", BATCH_SIZES.format("24", "224", "(512, 1, 28, 28)")),
        ("channels", BATCH_SIZES.format("24", "224", "(224, 28, 28)")),
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
