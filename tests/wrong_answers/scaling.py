"""Wrong answers to the exercises on scaling, by the misconception each comes from."""

PART = """
def part_of_rank(n, rank, size):
    each = -(-n // size)  # rounded up
    return {}
"""

JOINED = """
def joined_gradient(gradients, counts):
    return {}
"""

RUN = """
def run_on_many(n_images, per_process, size, lr, tuned_batch):
    batch = {}
    return batch, {}, {}
"""
STEPS = "-(-n_images // batch)"

WRONG = {
    "part_of_rank": [
        ("every rank its own part", PART.format("[i % n for i in range(0, each * size, size)]")),
        ("in turn", PART.format("[i % n for i in range(rank * each, (rank + 1) * each)]")),
        ("equal lengths", PART.format("list(range(n))[rank::size]")),
        ("nothing is dropped", PART.format("list(range(n // size * size))[rank::size]")),
    ],
    "joined_gradient": [
        ("equal parts only", JOINED.format("gradients.mean(dim=0)")),
        ("mean and sum", JOINED.format("gradients.sum(dim=0)")),
        (
            "weights by length",
            JOINED.format("sum(n * g for n, g in zip(counts, gradients)) / len(counts)"),
        ),
        ("the longest part", JOINED.format("gradients[counts.index(max(counts))]")),
    ],
    "run_on_many": [
        ("the batch of one process", RUN.format("per_process", STEPS, "lr * batch / tuned_batch")),
        (
            "floor",
            RUN.format("per_process * size", "n_images // batch", "lr * batch / tuned_batch"),
        ),
        (
            "fewer steps",
            RUN.format(
                "per_process * size",
                "-(-n_images * size // batch)",
                "lr * batch / tuned_batch",
            ),
        ),
        (
            "the learning rate follows the batch",
            RUN.format("per_process * size", STEPS, "lr"),
        ),
    ],
}
