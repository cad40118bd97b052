"""The README's example runs, and its commands exist."""

import re
from pathlib import Path

from workbench.cli import COMMANDS
from workbench.core import catalogue

README = Path(__file__).resolve().parents[1] / "README.md"


def test_the_example_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), flags=re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(catalogue.codes())  # the optimal code's line, and one for each other
    assert float(lines[0].split()[-1]) > 0
    assert len([line for line in example.splitlines() if line.strip()]) <= 10


def test_the_commands_it_names_exist():
    named = set(re.findall(r"(?:^    |`)workbench ([a-z]+)", README.read_text("utf-8"), flags=re.MULTILINE))
    assert named <= set(COMMANDS)
    assert {"profile", "design", "simulate", "report", "measure"} <= named


def test_the_files_it_links_to_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text("utf-8")):
        assert (README.parent / target).exists(), target
