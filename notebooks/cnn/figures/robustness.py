"""The plots of the lesson on robustness, from runs as `cnn.comparing.stored` returns them."""

import matplotlib.pyplot as plt
import torch

from cnn.comparing import interval
from cnn.plotting import ACCENT, INK, INPUT, KERNEL, MUTED, OUTPUT, show_pixels

LOOKS = {  # colour, line and marker of each network or training, so that no colour stands alone
    "CNN": (INPUT, "-", "o"),
    "MLP": (KERNEL, "--", "s"),
    "flatten": (INPUT, "-", "o"),
    "average": (INK, "-.", "v"),
    "flatten, shifts": (OUTPUT, "-.", "^"),
    "max": (KERNEL, "--", "s"),
    "max, shifts": (ACCENT, ":", "D"),
    "flatten, rotations": (INK, "-", "v"),
    "random signs": (OUTPUT, ":", "^"),
    "FGSM": (KERNEL, "--", "s"),
    "PGD": (INPUT, "-", "o"),
    "plain": (OUTPUT, "-", "^"),
}


def curve(ax, x, columns, name):
    """Means of several runs, a list of values (runs,) for each x, with their 95 % intervals."""
    colour, line, marker = LOOKS[name]
    found = [interval(values) for values in columns]
    ax.plot(x, [i.mean for i in found], line, color=colour, marker=marker, markersize=4, label=name)
    ax.fill_between(
        x, [i.low for i in found], [i.high for i in found], color=colour, alpha=0.18, linewidth=0
    )


def changed_digits(changes, X, answer_of):
    """One digit (1, 1, H, W) under each change, a row each, with the answer under each picture."""
    figure, axes = plt.subplots(
        len(changes), 7, figsize=(7.2, 1.35 * len(changes)), layout="compressed"
    )
    true = answer_of(X)
    for (name, (change, amounts)), row in zip(changes.items(), axes):
        for ax in row[len(amounts) :]:
            ax.set_axis_off()
        for ax, amount in zip(row, amounts):
            changed = change(X, amount)
            answer = answer_of(changed)
            show_pixels(ax, changed[0, 0])
            ax.set_title(f"{amount:g}", fontsize=9, fontweight="normal", pad=3)
            ax.set_xlabel(answer if answer == true else f"✗ {answer}", fontsize=10, labelpad=3)
        row[0].set_ylabel(name.replace(" in ", "\nin ").replace("hidden ", "hidden\n"), fontsize=9)
    return figure


def accuracy_under(changes, runs, own):
    """Accuracy against the amount of each change: stored runs as bands, those of the page as dots.

    Args:
        runs: "CNN" and "MLP" to name of a measurement to values (runs,).
        own: the same names to (name of a change, amount) to accuracy.
    """
    figure, axes = plt.subplots(2, 4, figsize=(9.6, 5.4), sharey=True, layout="constrained")
    for ax, (change, (_, amounts)) in zip(axes.flat, changes.items()):
        amounts = sorted(amounts)
        for name in ("CNN", "MLP"):
            curve(ax, amounts, [runs[name][f"{change} {a}"] for a in amounts], name)
            mine = [own[name][change, a] for a in amounts]
            ax.plot(amounts, mine, LOOKS[name][2], color=INK, markersize=6, mfc="none", mew=0.8)
        sure = [runs["CNN"][f"{change} {a}, confidence"].mean() for a in amounts]
        ax.plot(amounts, sure, ":", color=ACCENT, label="CNN, mean confidence")
        ax.axhline(10, color=MUTED, linestyle=":", linewidth=1)
        ax.set(xlabel=change, ylim=(0, 102))
    figure.supylabel("accuracy or confidence in %", fontsize=11)
    labelled = axes[0, 0].get_legend_handles_labels()
    figure.legend(*labelled, loc="outside upper center", ncols=3, fontsize=9)
    return figure


def shifts_and_rotations(runs):
    """Accuracy and change of the logits against the shift, and accuracy against the rotation."""
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.6), layout="constrained")
    shifts, angles = list(range(9)), [0, 15, 30, 45, 60, 75, 90]

    def present(*names):
        return [name for name in names if name in runs]

    for name in present("flatten", "max", "average", "flatten, shifts", "max, shifts"):
        curve(axes[0], shifts, [runs[name][f"shift {n}"] for n in shifts], name)
    for name in present("flatten", "max", "average"):
        changes = [torch.zeros(2), *(runs[name][f"change {n}"] for n in shifts[1:])]
        curve(axes[1], shifts, changes, name)
    for name in present("flatten", "max", "flatten, rotations"):
        turned = [runs[name]["shift 0"], *(runs[name][f"rotation {a}"] for a in angles[1:])]
        curve(axes[2], angles, turned, name)
    axes[0].set(title="Accuracy", xlabel="shift in pixels", ylabel="%", ylim=(0, 102))
    axes[1].set(title="Change of the logits", xlabel="shift in pixels", ylabel="share", ylim=(0, 2))
    axes[2].set(title="Accuracy", xlabel="rotation in degrees", ylabel="%", ylim=(0, 102))
    axes[2].set_xticks(angles[::2])
    for ax, place in zip(axes, ("lower left", "upper left", "lower left")):
        ax.legend(fontsize=8, loc=place)
    return figure


def attack_curves(runs, epsilons, own):
    """Accuracy against epsilon for random signs, FGSM and PGD, one panel for each network.

    Args:
        own: name of an attack to accuracies of the page's CNN, one for each epsilon.
    """
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.6), sharey=True, layout="constrained")
    for ax, network in zip(axes, ("CNN", "MLP")):
        for name in ("random signs", "FGSM", "PGD"):
            columns = [runs[network]["clean"], *(runs[network][f"{name} {e}"] for e in epsilons)]
            curve(ax, [0, *epsilons], columns, name)
            if network == "CNN":
                marker = LOOKS[name][2]
                ax.plot(epsilons, own[name], marker, color=INK, markersize=7, mfc="none", mew=0.8)
        ax.set(title=network, xlabel="epsilon", ylim=(-2, 102))
    axes[0].set_ylabel("accuracy in %")
    axes[1].legend(fontsize=9)
    return figure


def trained_against(runs, columns):
    """Accuracy after the three trainings on clean and on attacked images, with 95 % intervals.

    Args:
        runs: name of a training to name of a measurement to values (runs,).
        columns: the measurements to show, in order.
    """
    figure, ax = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
    for offset, (name, measured) in zip((-0.2, 0, 0.2), runs.items()):
        colour, _, marker = LOOKS[name]
        places = [i + offset for i in range(len(columns))]
        found = [interval(measured[column]) for column in columns]
        ax.errorbar(
            places,
            [i.mean for i in found],
            [i.half_width for i in found],
            fmt=marker,
            color=colour,
            capsize=4,
            label=f"{name} training",
        )
    ax.set_xticks(range(len(columns)), [column.replace(", ", "\n") for column in columns])
    ax.set(ylabel="accuracy in %", ylim=(-2, 102))
    ax.legend(fontsize=9, loc="lower left")
    return figure
