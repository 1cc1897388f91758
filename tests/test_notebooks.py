"""Every committed notebook keeps the rules; nbval compares its outputs separately."""

import re
import subprocess
from pathlib import Path

import ladder
import nbformat
import notebook_checks as checks
import pytest
import stamp

import cnn.comparing
import cnn.data
import cnn.fast
import cnn.inside
import cnn.lab
import cnn.models
import cnn.photographs
import cnn.plotting
import cnn.robustness
import cnn.shapes
import cnn.training
from cnn.figures import convolution, features, photographs, resnet, samples, scaling, unet, vit

REPOSITORY = Path(__file__).parents[1]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
MODULES = [
    samples,
    convolution,
    resnet,
    unet,
    vit,
    features,
    photographs,
    scaling,
    cnn.plotting,
    cnn.data,
    cnn.models,
    cnn.photographs,
    cnn.shapes,
    cnn.training,
    cnn.fast,
    cnn.lab,
    cnn.inside,
    cnn.robustness,
    cnn.comparing,
    ladder,
]

# What each notebook must define in full, and the package must hold.
TAUGHT = {
    "01-data": ["split_train_validation", "as_tensors", "batches"],
    "02-convolution": [
        "output_size",
        "count_parameters",
        "multiply_adds",
        "receptive_field",
        "walk",
    ],
    "03-training": ["CNN", "MLP", "Epoch", "train_one_epoch", "evaluate", "train_network"],
    "04-generalisation": [
        "SmallCNN",
        "Step",
        "watched_step",
        "watch",
        "Interval",
        "interval",
        "McNemar",
        "mcnemar",
    ],
    "05-features": [
        "after",
        "share",
        "purity",
        "nearest_neighbour_accuracy",
        "probe_accuracy",
        "logit",
        "input_gradient",
        "saliency",
        "integrated_gradients",
        "occlusion",
        "layer_gradient",
        "grad_cam",
        "hires_cam",
        "explain",
        "similarity",
        "left_after_erasing",
        "with_mark",
        "mass_on",
        "top_in",
    ],
    "06-robustness": [
        "train_epoch_on",
        "shift",
        "shift_each_way",
        "rotate",
        "rotate_each_way",
        "add_noise",
        "lower_contrast",
        "HeadNet",
        "loss_gradient",
        "fgsm",
        "project",
        "pgd",
    ],
    "07-resnet": ["ResidualBlock", "residual_stage", "ResNet"],
    "08-unet": ["double_convolution", "UNet"],
    "11-scaling": [
        "Setup",
        "image_loader",
        "forward",
        "optimizer_step",
        "count_right",
        "Slice",
        "where_right",
        "time_in_turns",
        "Spread",
        "spread",
        "ratio_in_turns",
        "per_second",
        "Work",
        "layer_works",
        "roofline_seconds",
        "random_bits",
        "FastDropout",
        "FlattenChannelsLast",
        "FastCNN",
        "training_multiply_adds",
        "Recipe",
        "QuickNet",
        "schedule",
        "prepare",
        "window",
        "train_quickly",
        "percent_right",
    ],
    "10-photographs": [
        "convolution",
        "InvertedResidual",
        "EfficientNetLite0",
        "preprocess",
        "linear_head",
    ],
    "09-vit": ["PatchEmbedding", "attention", "MultiHeadAttention", "EncoderBlock", "ViT"],
}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def test_the_series_is_complete():
    assert {path.stem for path in NOTEBOOKS} >= TAUGHT.keys()


@pytest.mark.parametrize(
    "rule",
    [
        checks.executed_in_order,
        checks.has_outputs,
        checks.no_errors_or_warnings,
        checks.no_widgets,
        checks.plain_metadata,
        checks.ignored_outputs,
        checks.figures_described,
        checks.plain_markdown,
        checks.short_cells,
        checks.exercises_untouched,
        checks.exercises_stand_alone,
        checks.questions_answered,
    ],
    ids=lambda rule: rule.__name__,
)
def test_rule(rule, notebook):
    assert rule(notebook) == []


def test_enough_to_do(notebook):
    assert checks.enough_to_do(notebook) == []


def test_definitions_match_the_package(notebook, path):
    assert checks.definitions_match(notebook, MODULES, TAUGHT.get(path.stem, [])) == []


def test_stamp(notebook, path):
    assert checks.stamped_with_the_address(notebook, path.name) == []


def test_valid_and_small(notebook, path):
    nbformat.validate(notebook)
    assert path.stat().st_size < 2_000_000


def test_links_to_files_resolve(notebook, path):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith("https://"):
            assert (path.parent / target.split("#")[0]).exists(), target


def test_papers_are_in_the_bibliography(notebook):
    """A link to a paper (arXiv, DOI, PMLR, JMLR) names an entry of references.bib."""
    bibliography = (REPOSITORY / "references.bib").read_text()
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    papers = re.findall(r"https://(?:arxiv\.org/abs/|doi\.org/)([^)\s]+)", text)
    assert [paper for paper in papers if paper not in bibliography] == []


@pytest.mark.parametrize("page", ["README.md", "teaching.qmd", "glossary.qmd", "index.qmd"])
def test_links_to_lessons_follow_the_file_names(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    assert stamp.renumbered(text, stamp.file_names()) == text


def test_the_order_stands_in_the_file_names_alone(notebook, path):
    assert notebook.cells[0].source.startswith(f"# {path.stem[:2]} · ")
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert stamp.renumbered(cell.source, stamp.file_names()) == cell.source
            assert not re.search(r"(notebook|lesson)s? \d\d\b", cell.source, re.I), cell.source


def test_a_lesson_that_moves_takes_its_links_along():
    names = {"vit": "10-vit.ipynb", "data": "01-data.ipynb"}
    text = "[a](09-vit.ipynb#training), [b](notebooks/09-vit.ipynb), [c](03-vit-other.ipynb)"
    assert stamp.renumbered(text, names) == (
        "[a](10-vit.ipynb#training), [b](notebooks/10-vit.ipynb), [c](03-vit-other.ipynb)"
    )


def test_repository_address_stands_once():
    """Only _quarto.yml and what is stamped from it name the public address."""
    tracked = subprocess.run(
        ["git", "grep", "--files-with-matches", "--fixed-strings", stamp.repo_url()],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert [f for f in tracked if not f.endswith(".ipynb")] == ["_quarto.yml"]
