"""tools/try_versions.py without the network: stand-ins for pip, and stages that take no time."""

import json
import sys
from pathlib import Path

import lock
import pytest
import try_versions
import yaml

REPOSITORY = Path(__file__).parents[1]
REQUIREMENTS = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8")


def test_it_reads_every_direct_pin():
    lines = [line.split("#")[0].strip() for line in REQUIREMENTS.splitlines()]
    assert [f"{k}=={v}" for k, v in try_versions.pins(REQUIREMENTS).items()] == [
        *filter(None, lines)
    ]


def stand_in(folder, code):
    """A Python that runs this code instead of what it is asked to."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\nimport json, sys\n{code}\n")
    path.chmod(0o755)
    return str(path)


def test_resolution(tmp_path):
    found = {"install": [{"metadata": {"name": "Ruff_X", "version": "9.1"}}]}
    code = f"open(sys.argv[sys.argv.index('--report') + 1], 'w').write('''{json.dumps(found)}''')"
    assert try_versions.resolve(stand_in(tmp_path, code), ["ruff-x"]) == {"ruff-x": "9.1"}


def test_no_resolution(tmp_path):
    code = "sys.stderr.write('looking\\nERROR: a needs b<2\\n'); sys.exit(1)"
    with pytest.raises(RuntimeError, match=r"^ERROR: a needs b<2$"):
        try_versions.resolve(stand_in(tmp_path, code), ["a"])


def test_what_is_newer():
    ours, newest = {"torch": "2.1", "a_b": "1.0", "c": "3"}, {"torch": "2.2", "a-b": "1.0"}
    assert try_versions.newer(ours, newest) == [("torch", "2.1", "2.2")]


def test_a_stage_reports_its_failure(tmp_path):
    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    result = try_versions.run_stage("unit tests", command, tmp_path)
    assert result[:2] == ("unit tests", 3)
    text = try_versions.report([("torch", "2.1", "2.2")], [result], ["the series"])
    assert "| torch | 2.1 | 2.2 |" in text
    assert "## unit tests: failed" in text
    assert "the reason" in text
    assert "Not run: the series." in text
    assert (tmp_path / "unit-tests.log").read_text() == "the reason\n"


def test_a_stage_that_passes_is_short(tmp_path):
    result = try_versions.run_stage("imports", [sys.executable, "-c", "print(1)"], tmp_path)
    text = try_versions.report([], [result], [])
    assert "## imports: passed" in text
    assert "newest versions." in text
    assert "```" not in text


def test_the_lock_holds_the_direct_pins():
    text = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    assert lock.stale(REQUIREMENTS, text) == {}, "run `make lock`"
    assert len(lock.pins(text)) > 80
    assert text.count("--hash=sha256:") > len(lock.pins(text))
    assert "http://" not in text
    assert "https://" not in text


def test_a_stale_lock_is_noticed():
    assert lock.stale("torch==2.0\nnumpy==1.0", "torch==1.9 \\\nnumpy==1.0 ; x") == {
        "torch": {"2.0"}
    }
    assert lock.stale("Ab_c==1", "ab-c==1 \\\nab-c==2") == {"ab-c": {"1"}}


WEEKLY = REPOSITORY / ".github" / "workflows" / "newest.yml"


def test_the_weekly_workflow_runs_the_tool():
    workflow = yaml.safe_load(WEEKLY.read_text(encoding="utf-8"))
    assert workflow[True]["schedule"], "YAML reads the key on as true"
    jobs = workflow["jobs"]
    matrix = jobs["try"]["strategy"]["matrix"]
    assert {"3.11", "3.14"} <= set(matrix["python"])
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    runs = [step.get("run", "") for step in jobs["try"]["steps"]]
    assert any("tools/try_versions.py" in command for command in runs)
    assert jobs["report"]["permissions"] == {"contents": "read", "issues": "write"}
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("path", sorted(WEEKLY.parent.glob("*.yml")), ids=lambda path: path.name)
def test_actions_are_pinned_to_a_commit(path):
    for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
        for step in job["steps"]:
            if "uses" in step:
                assert len(step["uses"].partition("@")[2]) == 40, step["uses"]
