"""Every figure: its data are pure and complete, and its files say how they were made."""

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from figures import hetero_gc, manifest, style
from workbench.cli import figures as command_line
from workbench.core.errors import InputError

SMALL = {"n_profiles": 3, "sizes": (4, 6), "bits_per_worker": (3, 8, 14)}


def test_fig1_data_are_pure_and_consistent() -> None:
    """The same seed gives the same numbers; no method beats the exact one; shares and losses agree."""
    data, again = hetero_gc.fig1_data(seed=3, **SMALL), hetero_gc.fig1_data(seed=3, **SMALL)
    np.testing.assert_array_equal(data["utility"], again["utility"])
    assert not np.array_equal(data["utility"], hetero_gc.fig1_data(seed=4, **SMALL)["utility"])
    assert data["utility"].shape == (2, 5, 3, 3)
    assert np.all(data["utility"] <= data["utility"][:, :1] * (1 + 1e-12))
    assert np.all(data["loss"] >= 0)
    np.testing.assert_array_equal(data["optimal_share"][:, 0], 1)
    np.testing.assert_array_equal(data["worst_loss"][:, 0], 0)
    np.testing.assert_array_equal(data["worst_loss"] == 0, data["optimal_share"] == 1)
    np.testing.assert_array_equal(data["budget"], [[12, 32, 56], [18, 48, 84]])


def test_fig1_profiles_do_not_depend_on_how_many_are_drawn() -> None:
    few = hetero_gc.fig1_data(seed=3, **SMALL)["utility"]
    more = hetero_gc.fig1_data(seed=3, **{**SMALL, "n_profiles": 4})["utility"]
    np.testing.assert_array_equal(few, more[..., :3])


def test_every_figure_names_its_axes() -> None:
    figure = hetero_gc.fig1_draw(hetero_gc.fig1_data(**SMALL))
    for row in np.reshape(figure.axes, (2, 2)):
        assert row[0].get_ylabel()
    assert all(ax.get_xlabel() for ax in figure.axes[2:])
    assert figure.axes[0].lines[0].get_color() == style.scheme_style("exact")["color"]


def test_render_writes_images_numbers_and_a_manifest(tmp_path: Path) -> None:
    entry = manifest.available()["hetero_gc/fig1"]
    made = manifest.render(entry, tmp_path, seed=5, **SMALL)
    assert {path.name for path in tmp_path.iterdir()} == {*made["files"], "hetero_gc_fig1.json"}
    assert ElementTree.parse(tmp_path / "hetero_gc_fig1.svg").getroot().tag.endswith("svg")
    assert "Algorithm 1" in (tmp_path / "hetero_gc_fig1.svg").read_text(encoding="utf-8")
    assert (tmp_path / "hetero_gc_fig1.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "hetero_gc_fig1.pdf").read_bytes().startswith(b"%PDF")
    written = json.loads((tmp_path / "hetero_gc_fig1.json").read_text())
    assert written["parameters"]["seed"] == 5
    assert written["versions"]["numpy"] == np.__version__
    with (tmp_path / "hetero_gc_fig1.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 5 * 3
    data = hetero_gc.fig1_data(seed=5, **SMALL)
    np.testing.assert_allclose(float(rows[0]["utility_mean"]), data["utility"][0, 0, 0].mean(), rtol=1e-15)

    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    manifest.render(entry, tmp_path, seed=5, **SMALL)
    assert first == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_the_same_scheme_looks_alike_and_different_ones_do_not() -> None:
    """Within a kind, both colour and (line, marker) tell curves apart, so a grey print can be read."""
    schemes = ["optimally_structured", "ignore_stragglers", "bernoulli", "stochastic", "erasure_head"]
    schemes += ["optimal_decoding", "osgc", "one_bit", "wait_for_all"]
    for names in (schemes, list(hetero_gc.METHODS)):
        looks = [style.scheme_style(name) for name in names]
        assert len({look["color"] for look in looks}) == len(names)
        assert len({(look["linestyle"], look["marker"]) for look in looks}) == len(names)


def test_a_scheme_without_a_style_is_drawn_under_its_own_name() -> None:
    """It needs no line in the table of styles, and is not mistaken for one that has it."""
    look = style.scheme_style("brand_new")
    assert look["label"] == "brand new"
    Figure().subplots().plot([1, 2], **look)
    for name in ("ignore_stragglers", "wait_for_all", "equal"):
        known = style.scheme_style(name)
        assert (known["linestyle"], known["marker"], known["color"]) != (
            look["linestyle"],
            look["marker"],
            look["color"],
        )


def test_the_command_lists_and_names_mistakes(tmp_path: Path) -> None:
    runner = CliRunner()
    listed = runner.invoke(command_line.command, ["--list", "--json"])
    assert "hetero_gc/fig1" in json.loads(listed.output)
    with pytest.raises(InputError, match="unknown figure 'nope/fig1': choose one of hetero_gc/fig1"):
        runner.invoke(command_line.command, ["nope/fig1"], catch_exceptions=False, standalone_mode=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another --out"):
        runner.invoke(
            command_line.command, ["--out", str(tmp_path / "file")], catch_exceptions=False, standalone_mode=False
        )
