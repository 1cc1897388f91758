"""Break a copy of a real notebook in many ways and see that each is caught."""

import copy
import subprocess
import sys
from pathlib import Path

import nbformat
import notebook_checks as checks
import pytest
from nbclient import NotebookClient

import cnn.shapes

REPOSITORY = Path(__file__).parents[1]
NOTEBOOK_02 = REPOSITORY / "notebooks" / "02-convolution.ipynb"


@pytest.fixture(scope="module")
def sound():
    """The cells on convolution that compute sizes, with their definitions and outputs."""
    notebook = nbformat.read(NOTEBOOK_02, as_version=4)
    wanted = ("def output_size(", "def receptive_field(")
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# A copy"),
        nbformat.v4.new_code_cell("import itertools"),
        *[cell for cell in notebook.cells if any(text in cell.source for text in wanted)],
        nbformat.v4.new_code_cell("assert output_size(28, 3) == 26"),
    ]
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return notebook


def nbval(notebook, folder):
    """Compare a notebook with a fresh run, as `make test` does; returns the finished process."""
    path = folder / "copy.ipynb"
    nbformat.write(notebook, path)
    sanitizer = REPOSITORY / "tests" / "sanitize.cfg"
    options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", sanitizer]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, path],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_sound_copy_passes(sound, tmp_path):
    done = nbval(sound, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    assert checks.executed_in_order(sound) == []
    assert checks.has_outputs(sound) == []
    assert checks.definitions_match(sound, [cnn.shapes], ["output_size", "receptive_field"]) == []


@pytest.fixture
def broken(sound):
    return copy.deepcopy(sound)


def test_wrong_number_in_a_stored_output(broken, tmp_path):
    output = broken.cells[2].outputs[0]
    assert "26" in output.text
    output.text = output.text.replace("26", "27")
    assert nbval(broken, tmp_path).returncode == 1


def test_a_failing_assert(broken, tmp_path):
    broken.cells[-1].source = "assert output_size(28, 3) == 28"
    done = nbval(broken, tmp_path)
    assert done.returncode == 1
    assert "AssertionError" in done.stdout


def test_a_changed_definition_changes_the_output(broken, tmp_path):
    broken.cells[2].source = broken.cells[2].source.replace("// S + 1", "// S + 2")
    assert nbval(broken, tmp_path).returncode == 1


def test_a_definition_that_drifts_and_is_repeated_soundly(broken):
    drifted = copy.deepcopy(broken.cells[2])
    drifted.source = drifted.source.replace("// S + 1", "// S + 2")
    broken.cells.insert(2, drifted)
    assert checks.definitions_match(broken, [cnn.shapes])


def test_a_drifted_definition(broken):
    broken.cells[3].source = broken.cells[3].source.replace("step *= S", "step += S")
    problems = checks.definitions_match(broken, [cnn.shapes])
    assert problems == ["receptive_field differs between the notebook and the package"]


def test_a_docstring_may_differ(broken):
    broken.cells[3].source = broken.cells[3].source.replace("Width in input", "The width in input")
    assert checks.definitions_match(broken, [cnn.shapes]) == []


def test_a_renamed_definition(broken):
    broken.cells[2].source = broken.cells[2].source.replace("output_size", "size_of_output")
    problems = checks.definitions_match(broken, [cnn.shapes], ["output_size"])
    assert problems == ["output_size is not defined in the notebook"]


def test_swapped_cells(broken):
    broken.cells[2], broken.cells[3] = broken.cells[3], broken.cells[2]
    assert checks.executed_in_order(broken)


def test_a_cell_that_never_ran(broken):
    broken.cells[2].execution_count = None
    assert checks.executed_in_order(broken)


def test_a_missing_output(broken):
    broken.cells[2].outputs = []
    assert checks.has_outputs(broken)


def test_a_missing_value(broken):
    broken.cells[-1].source = "size = output_size(28, 3)\nsize"
    assert checks.has_outputs(broken)
    broken.cells[-1].source = "def show_size():\n    print(output_size(28, 3))"
    assert checks.has_outputs(broken) == [], "nothing runs"


def test_metadata_of_the_machine(broken):
    assert checks.plain_metadata(broken), "nbclient stored the version of Python"
    broken.metadata.language_info = {"name": "python"}
    for cell in broken.cells:
        cell.metadata = {}
    assert checks.plain_metadata(broken) == []
    broken.cells[2].metadata["execution"] = {"iopub.execute_input": "2026-01-01"}
    assert checks.plain_metadata(broken)


def test_a_stored_error(broken):
    broken.cells[2].outputs = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]
    assert checks.no_errors_or_warnings(broken)


def test_a_stored_warning(broken):
    broken.cells[2].outputs.append(nbformat.v4.new_output("stream", name="stderr", text="careful"))
    assert checks.no_errors_or_warnings(broken)


def test_widgets(broken):
    broken.metadata["widgets"] = {}
    assert checks.no_widgets(broken)


def test_a_widget_in_an_output(broken):
    data = {"application/vnd.jupyter.widget-view+json": {}}
    broken.cells[2].outputs.append(nbformat.v4.new_output("display_data", data=data))
    assert checks.no_widgets(broken)


def test_an_updated_display(broken):
    output = nbformat.v4.new_output("display_data", data={"text/plain": "50 %"})
    broken.cells[2].outputs.append(output | {"transient": {"display_id": "bar"}})
    assert checks.no_widgets(broken)


def test_an_ignored_cell_that_neither_trains_nor_times(broken):
    broken.cells[2].metadata["tags"] = ["nbval-ignore-output"]
    assert "cell 3 is ignored but neither trains nor times" in checks.ignored_outputs(broken)


def test_an_ignored_training_cell_without_an_assert_after_it(broken):
    broken.cells[2].source = "train_network(model)"
    broken.cells[2].metadata["tags"] = ["nbval-ignore-output"]
    broken.cells[-1].source = "print(1)"
    assert any("no assert" in problem for problem in checks.ignored_outputs(broken))


def test_a_function_of_the_notebook_may_train_or_time(broken):
    broken.cells[1].source = "def seconds_for():\n    return time.perf_counter()"
    broken.cells[2].source = "seconds_for()"
    broken.cells[2].metadata["tags"] = ["nbval-ignore-output"]
    broken.cells[3].source = "assert True"
    assert checks.ignored_outputs(broken) == []


def test_the_name_in_a_comment_or_text_does_not_train(broken):
    broken.cells[2].source = 'print("train_network()")  # perf_counter()'
    broken.cells[2].metadata["tags"] = ["nbval-ignore-output"]
    assert "cell 3 is ignored but neither trains nor times" in checks.ignored_outputs(broken)


def test_an_ignore_comment(broken):
    broken.cells[2].source = "# NBVAL_IGNORE_OUTPUT\n" + broken.cells[2].source
    assert checks.ignored_outputs(broken)


def test_a_figure_without_alternative_text(broken):
    broken.cells[2].outputs = [nbformat.v4.new_output("display_data", data={"image/png": ""})]
    assert checks.figures_described(broken)


@pytest.mark.parametrize(
    "text",
    [
        "::: {.note}",
        "see @fig-window",
        "## Title {#sec-title}",
        "<div>raw</div>",
        "![picture](images/x.svg)",
        "# A second title",
        "#### too deep",
    ],
)
def test_markdown_that_only_some_readers_see(broken, text):
    broken.cells[0].source += "\n\n" + text
    assert checks.plain_markdown(broken)


def test_a_long_cell(broken):
    broken.cells[2].source += "\npass" * checks.MAX_LINES
    assert checks.short_cells(broken)


def test_another_address(broken):
    problems = checks.stamped_with_the_address(broken, "copy.ipynb")
    assert len(problems) == 2


@pytest.fixture
def with_exercise(broken):
    """The sound copy with one exercise, one question and one open problem."""
    said = nbformat.v4.new_output(
        "stream", name="stdout", text="Not attempted yet.\nHint 1 of 1: ..."
    )
    stub = nbformat.v4.new_code_cell("sizes = ...\nchecks.sizes(sizes)", outputs=[said])
    stub.metadata["tags"] = ["exercise"]
    folds = [f"<details><summary>{name}</summary>\n\nText.\n\n</details>" for name in FOLDS]
    markdown = nbformat.v4.new_markdown_cell
    broken.cells += [markdown("## Exercise: sizes"), stub, markdown("\n\n".join(folds))]
    broken.cells += [markdown("**Question.** Which?\n\n" + "\n\n".join(map(answer, "ABC")))]
    broken.cells += [markdown(PROBLEM)]
    return broken


FOLDS = ["Hints", "Solution"]
PROBLEM = (
    "## Open problem: all\n\n<details><summary>Rubric</summary>\n\n- a\n- b\n- c\n\n</details>"
)


def answer(letter):
    why = f"**{'Right' if letter == 'B' else 'No'}.** {'Because of this. ' * 4}"
    return f"<details><summary>{letter}. Answer</summary>\n\n{why}\n\n</details>"


def find(notebook, text):
    return next(cell for cell in notebook.cells if text in cell.source)


def test_a_sound_exercise_passes(with_exercise):
    assert checks.exercises_untouched(with_exercise) == []
    assert checks.exercises_stand_alone(with_exercise) == []
    assert checks.questions_answered(with_exercise) == []
    assert checks.enough_to_do(with_exercise) == ["1 exercises instead of three to five"]


def test_an_exercise_stored_with_an_attempt(with_exercise):
    find(with_exercise, "checks.sizes").outputs[0].text = "Right. It matters."
    assert any("stored with an attempt" in p for p in checks.exercises_untouched(with_exercise))


def test_an_exercise_without_its_tag(with_exercise):
    find(with_exercise, "checks.sizes").metadata["tags"] = []
    assert any("go together" in p for p in checks.exercises_untouched(with_exercise))


def test_an_exercise_without_a_check(with_exercise):
    find(with_exercise, "checks.sizes").source = "sizes = ..."
    assert any("end in its check" in p for p in checks.exercises_untouched(with_exercise))


@pytest.mark.parametrize("text", ["Exercise: ", "Hints", "Solution"])
def test_an_exercise_without_its_parts(with_exercise, text):
    cell = find(with_exercise, text)
    cell.source = cell.source.replace(text, "")
    assert checks.exercises_untouched(with_exercise)


def test_an_answer_that_other_cells_use(with_exercise):
    with_exercise.cells.append(nbformat.v4.new_code_cell("print(sizes)"))
    assert any("binds sizes" in p for p in checks.exercises_stand_alone(with_exercise))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("**No.**", "**Right.**"),
        ("**Right.**", "**No.**"),
        ("Because of this. " * 4, "So."),
        ("<summary>C. ", "<summary>B. "),
        ("<summary>C. ", "<summary>"),
        ("**No.**", "No."),
    ],
)
def test_a_question_with_wrong_answers_of_its_own(with_exercise, old, new):
    cell = find(with_exercise, "**Question.**")
    assert old in cell.source
    cell.source = cell.source.replace(old, new)
    assert checks.questions_answered(with_exercise)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("- c\n", ""),
        ("Rubric", "Notes"),
        ("Open problem: ", ""),
        ("- a", "## Open problem: b\n- a"),
    ],
)
def test_an_open_problem_without_its_rubric(with_exercise, old, new):
    cell = find(with_exercise, "Open problem")
    cell.source = cell.source.replace(old, new)
    assert len(checks.enough_to_do(with_exercise)) == 2


def test_no_question(with_exercise):
    cell = find(with_exercise, "**Question.**")
    cell.source = cell.source.replace("**Question.**", "Question:")
    assert "no quick question" in checks.enough_to_do(with_exercise)
