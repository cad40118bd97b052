"""The README's examples run, and its commands exist."""

import re
from importlib import resources
from pathlib import Path

from proofs_check.ledger import titles
from workbench.cli import COMMANDS
from workbench.core import catalogue
from workbench.engine.store import Store
from workbench.engine.sweep import read_sweep, run_sweep

README = Path(__file__).resolve().parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), flags=re.DOTALL)


def test_the_design_example_runs(capsys):
    (example,) = (block for block in blocks("python") if "estimate_profile" in block)
    exec(compile(example, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(catalogue.codes())  # the optimal code's line, and one for each other
    assert float(lines[0].split()[-1]) > 0
    assert len([line for line in example.splitlines() if line.strip()]) <= 10


def test_the_sweep_example_runs(tmp_path, monkeypatch, capsys):
    """With the log that travels with the package in the place of the reader's own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trace.csv").write_bytes((resources.files("workbench.stragglers") / "measured_16x50.csv").read_bytes())
    (sweep,) = blocks("toml")
    (tmp_path / "sweep.toml").write_text(sweep)
    configurations = read_sweep("sweep.toml")
    assert len(configurations) == 4 * 3
    run_sweep(configurations, Store("sweep.results"), n_jobs=2)
    (example,) = (block for block in blocks("python") if "Store" in block)
    exec(compile(example, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert all(float(line.split()[-1]) < 1e3 for line in lines)


def test_the_commands_it_names_exist():
    named = set(re.findall(r"(?:^    |`)workbench ([a-z]+)", README.read_text("utf-8"), flags=re.MULTILINE))
    assert named <= set(COMMANDS)
    assert {"profile", "design", "simulate", "report", "measure"} <= named


def test_the_files_it_links_to_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text("utf-8")):
        assert (README.parent / target).exists(), target


def test_the_papers_are_named_as_in_the_ledger():
    """One name for a paper wherever it is named."""
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \|$", README.read_text("utf-8").partition("## Papers")[2], flags=re.MULTILINE
    )
    assert dict(rows) == dict(titles())
