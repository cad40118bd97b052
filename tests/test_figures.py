"""Every figure: its numbers are pure and complete, its files say how they were made, a redraw computes nothing."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from matplotlib.figure import Figure
from msgspec.structs import replace

from figures import catalogue, computed, quantities, render, rendering, style
from figures.claims import Estimate, Finding, Outcome, all_of, estimate, every, falls, over_readings, ratio, worst
from figures.curves import banded, first_time, on_clock
from figures.hetero_gc import fig1
from figures.quantities import Quantity
from proofs_check.ledger import sentences
from workbench.cli import figures as command_line
from workbench.core.errors import InputError

SMALL = {"n_profiles": 3, "n_workers": (4, 6), "bits_per_worker": (3, 8, 14)}
ENTRIES = catalogue.available()
REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = Outcome.REPRODUCED, Outcome.NOT_REPRODUCED, Outcome.INCONCLUSIVE


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> catalogue.Entry:
    """hetero_gc's Fig. 1, so small that it takes no time."""
    monkeypatch.setitem(fig1.SCALES, "quick", SMALL)
    return ENTRIES["hetero_gc/fig1"]


def made(entry: catalogue.Entry, folder: Path, seed: int) -> computed.Computed:
    """Compute and render a figure."""
    found = computed.compute(entry, folder, "quick", seed=seed)
    render.render(found, folder)
    return found


def test_fig1_data_are_pure_and_consistent() -> None:
    """The same seed gives the same numbers; no method beats the exact one; shares and losses agree."""
    data, again = (quantities.arrays(fig1.fig1_data(seed=3, **SMALL)) for _ in range(2))
    np.testing.assert_array_equal(data["objective"], again["objective"])
    other = quantities.arrays(fig1.fig1_data(seed=4, **SMALL))
    assert not np.array_equal(data["objective"], other["objective"])
    assert data["objective"].shape == (2, 5, 3)
    assert np.all(data["objective"] <= data["objective"][:, :1] * (1 + 1e-12))
    assert np.all(data["loss_percent"] >= 0)
    np.testing.assert_array_equal(data["optimal_share"][:, 0], 1)
    np.testing.assert_array_equal(data["worst_loss"] == 0, data["optimal_share"] == 1)


def test_fig1_profiles_do_not_depend_on_how_many_are_drawn() -> None:
    """Of two profiles, whose values follow from mean and quantiles, one is the single profile."""
    one, two = (quantities.arrays(fig1.fig1_data(seed=3, **{**SMALL, "n_profiles": n})) for n in (1, 2))
    apart = (two["objective_high"] - two["objective_low"]) / 1.6  # the quantiles are at 0.1 and 0.9 between two values
    values = np.stack([two["objective"] - apart, two["objective"] + apart])
    np.testing.assert_allclose(np.abs(values - one["objective"]).min(axis=0), 0, atol=1e-9)
    assert apart.max() > 0.01


@pytest.mark.parametrize("key", ENTRIES)
def test_every_figure_is_complete(key: str) -> None:
    """It has both scales, the same parameters in each, a title, what differs, and a ledger's sentence if it may."""
    entry = ENTRIES[key]
    assert set(entry.parameters("quick")) == set(entry.parameters("paper"))
    assert entry.title
    assert all(each.endswith(".") for each in entry.differs)
    outcomes = {each.value for each in Outcome}
    for each in sentences().values():
        if each.figure == key:
            assert each.outcome in outcomes, each.key
            assert each.reason or each.outcome == Outcome.REPRODUCED, f"{each.key}: say why"


def test_every_sentence_has_its_figure() -> None:
    assert {each.figure for each in sentences().values()} <= set(ENTRIES)


def test_every_figure_names_its_axes(small: catalogue.Entry) -> None:
    figure = small.draw(quantities.arrays(small.compute("quick", seed=1, work=None)))
    for row in np.reshape(figure.axes, (2, 2)):
        assert row[0].get_ylabel()
    assert all(ax.get_xlabel() for ax in figure.axes[2:])
    assert figure.axes[0].lines[0].get_color() == style.scheme_style("exact")["color"]


def test_render_writes_images_numbers_and_a_manifest(small: catalogue.Entry, tmp_path: Path) -> None:
    made(small, tmp_path, 5)
    written = json.loads((tmp_path / "hetero_gc_fig1.json").read_text())
    assert {path.name for path in tmp_path.iterdir()} == {*written["files"], "hetero_gc_fig1.json"}
    assert ElementTree.parse(tmp_path / "hetero_gc_fig1.svg").getroot().tag.endswith("svg")
    assert "Algorithm 1" in (tmp_path / "hetero_gc_fig1.svg").read_text(encoding="utf-8")
    assert (tmp_path / "hetero_gc_fig1.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "hetero_gc_fig1.pdf").read_bytes().startswith(b"%PDF")
    assert written["made_by"]["seed"] == 5
    assert written["made_by"]["versions"]["numpy"] == np.__version__
    assert written["parameters"]["n_profiles"] == SMALL["n_profiles"]
    with (tmp_path / "hetero_gc_fig1.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 5 * 3
    data = quantities.arrays(small.compute("quick", seed=5, work=None))
    assert float(rows[0]["objective"]) == data["objective"][0, 0, 0]
    assert rows[0] | {"n_workers": "4", "method": "exact", "bits_per_worker": "3"} == rows[0]


def test_the_same_figure_has_the_same_bytes(small: catalogue.Entry, tmp_path: Path) -> None:
    contents = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        made(small, folder, 5)
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]


def test_numbers_that_are_there_are_not_computed_again(
    small: catalogue.Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But they are for another seed, for other code, and where the file is damaged."""
    assert made(small, tmp_path, 5).new
    again = made(small, tmp_path, 5)
    assert not again.new
    assert again.notes["findings"]["fig1_near_optimal"]["outcome"] in {each.value for each in Outcome}
    assert made(small, tmp_path, 6).new
    (tmp_path / "hetero_gc_fig1.nc").write_bytes(b"no numbers")
    assert made(small, tmp_path, 6).new
    monkeypatch.setattr(catalogue.Entry, "sources", lambda self: "changed")
    assert made(small, tmp_path, 6).new


def test_drawing_does_not_need_what_computes() -> None:
    """A redraw within a second imports no engine, no xarray, no scipy.stats."""
    for paper in {entry.paper for entry in ENTRIES.values()}:
        source = Path(catalogue.ROOT, "figures", paper, "draw.py").read_text()
        imported = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
        allowed = ("from matplotlib", "import numpy", "from collections", "from typing", "import math")
        own = ("from figures.style", "from figures.quantities", "import matplotlib")
        assert [line for line in imported if not line.startswith((*allowed, *own))] == []


def test_quantities_survive_the_file(tmp_path: Path) -> None:
    data = {
        "scheme": Quantity(("scheme",), np.array(["a", "b"])),
        "time": Quantity(("time",), np.array([0.0, 0.5, 2.0]), "s"),
        "loss": Quantity(("scheme", "time"), np.array([[1.0, np.inf, 3], [4, np.nan, 6]])),
        "count": Quantity((), np.array(7)),
        "fits": Quantity(("time",), np.array([True, False, True])),
    }
    (tmp_path / "a.nc").write_bytes(quantities.to_netcdf(data, {"figure": "x", "notes": {"b": [1, 2]}}))
    read, attributes = quantities.from_netcdf(tmp_path / "a.nc")
    assert json.loads(attributes["notes"]) == {"b": [1, 2]}
    for name, each in data.items():
        assert read[name].axes == each.axes
        assert read[name].unit == each.unit
        np.testing.assert_array_equal(read[name].values, each.values)
        assert np.asarray(read[name].values).dtype.kind == np.asarray(each.values).dtype.kind
    with xr.open_dataset(tmp_path / "a.nc") as dataset:
        assert dataset["loss"].dims == ("scheme", "time")
    tables = quantities.to_csv(data)
    assert set(tables) == {"", ".numbers", ".time"}
    assert tables[""].decode().splitlines()[:3] == ["scheme,time,loss", "a,0.0,1.0", "a,0.5,inf"]


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = quantities.to_netcdf({"time": Quantity(("time",), np.arange(3.0), "s")}, {"figure": "x"})
    for length in range(len(whole)):
        (tmp_path / "a.nc").write_bytes(whole[:length])
        with pytest.raises(InputError, match="no numbers of a figure can be read"):
            quantities.from_netcdf(tmp_path / "a.nc")


def test_processes_beside_this_one_draw_the_same(tmp_path: Path) -> None:
    entries = [ENTRIES["fastest_k/fig1"], ENTRIES["fastest_k/fig2"]]
    files = {}
    for n_processes in (1, 2):
        folder = tmp_path / str(n_processes)
        folder.mkdir()
        found = [computed.compute(entry, folder, "quick", seed=1) for entry in entries]
        with rendering.rendering(folder, n_processes) as draw:
            paths = [path for future in [draw(each) for each in found] for path in future.result()]
        files[n_processes] = {path.name: path.read_bytes() for path in paths}
    assert len(files[1]) > 2 * 4
    assert files[1] == files[2]


def test_the_command_does_not_load_what_others_draw_with(tmp_path: Path) -> None:
    """With one process it draws itself, which shows that the look at the modules sees it."""
    script = "import sys; from workbench.cli import figures; "
    script += "figures.command(sys.argv[1:], standalone_mode=False); sys.exit('matplotlib' in sys.modules)"
    for n_processes, is_loaded in ((2, 0), (1, 1)):
        asked = ["fastest_k/fig1", "fastest_k/fig2", "--jobs", str(n_processes), "--out", str(tmp_path)]
        done = subprocess.run([sys.executable, "-c", script, *asked], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (is_loaded, b"")
        assert len(list(tmp_path.glob("quick/*.pdf"))) == 2


@pytest.mark.parametrize("limits", [(1e-7, 3), (0.3, 20), (1, 8), (1e2, 1e13)])
def test_powers_are_labelled_in_plain_text_with_their_values(limits: tuple[float, float]) -> None:
    figure = Figure()
    ax = figure.subplots()
    ax.set(yscale="log", ylim=limits)
    style.plain_powers(figure)
    figure.canvas.draw()
    powers, found = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"), 0
    for minor in (False, True):
        places = ax.yaxis.get_ticklocs(minor=minor).tolist()
        for place, label in zip(places, ax.yaxis.get_ticklabels(minor=minor), strict=True):
            if text := label.get_text():
                factor, _, power = text.rpartition("10")
                value = float(factor.rstrip("×") or 1) * 10.0 ** int(power.translate(powers))
                assert value == pytest.approx(place, rel=1e-12)
                found += 1
    assert found >= 2


def test_axes_must_fit() -> None:
    with pytest.raises(ValueError, match="name every axis"):
        quantities.arrays({"loss": Quantity(("time",), np.zeros((2, 3)))})
    with pytest.raises(ValueError, match="axis time is 2 long in b and 3 before"):
        quantities.arrays({"a": Quantity(("time",), np.zeros(3)), "b": Quantity(("time",), np.zeros(2))})


def test_a_mean_misses_as_often_as_it_says() -> None:
    """Of 4,000 intervals at 5 %, 131 to 269 miss, 4.9 standard deviations around 200: false alarm about 1e-6."""
    samples = np.random.default_rng(20261128).normal(3, 2, (4000, 7))
    missed = sum(not each.low <= 3 <= each.high for each in map(estimate, samples))
    assert 131 <= missed <= 269


def test_findings_need_certainty() -> None:
    """A fall is reproduced, its reverse is not, and noise is inconclusive."""
    noise = 0.1 * np.random.default_rng(1).standard_normal((3, 20))
    down = np.array([[3.0], [2.0], [1.0]]) + noise
    assert falls(down, ["a", "b", "c"], what="loss").outcome is Outcome.REPRODUCED
    assert falls(down[::-1], ["a", "b", "c"], what="loss").outcome is Outcome.NOT_REPRODUCED
    assert falls(noise, ["a", "b", "c"], what="loss").outcome is Outcome.INCONCLUSIVE
    near = Estimate(1.5, 1, 2)
    assert [near.below(each) for each in (3, 1.5, 0.5)] == [REPRODUCED, INCONCLUSIVE, NOT_REPRODUCED]
    assert [near.above(each) for each in (3, 1.5, 0.5)] == [NOT_REPRODUCED, INCONCLUSIVE, REPRODUCED]
    around = [near.between(*each) for each in ((0, 3), (1.5, 3), (2.5, 3), (0, 0.5))]
    assert around == [REPRODUCED, INCONCLUSIVE, NOT_REPRODUCED, NOT_REPRODUCED]
    assert Estimate(np.nan, np.nan, np.nan).above(0) is INCONCLUSIVE
    told = all_of({"a": near, "b": Estimate(9, 8, 10)}, lambda each: each.below(3), "size")
    assert told.outcome is NOT_REPRODUCED
    assert told.evidence["b_low"] == 8
    assert worst([Outcome.REPRODUCED, Outcome.INCONCLUSIVE]) is Outcome.INCONCLUSIVE
    twice = ratio([2.0, 4.0, 8.0], [1.0, 2.0, 4.0])
    assert twice == Estimate(pytest.approx(2), pytest.approx(2), pytest.approx(2))
    with pytest.raises(ValueError, match="1 of 3 runs have no finite value"):
        estimate([1, np.nan, 2])


@pytest.mark.parametrize(
    ("outcomes", "all_hold", "whichever"),
    [
        ([REPRODUCED, REPRODUCED], REPRODUCED, REPRODUCED),
        ([REPRODUCED, NOT_REPRODUCED], NOT_REPRODUCED, Outcome.OPEN),
        ([REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE], NOT_REPRODUCED, Outcome.OPEN),
        ([REPRODUCED, INCONCLUSIVE], INCONCLUSIVE, INCONCLUSIVE),
        ([NOT_REPRODUCED, INCONCLUSIVE], NOT_REPRODUCED, INCONCLUSIVE),
        ([REPRODUCED, Outcome.OPEN], Outcome.OPEN, Outcome.OPEN),
        ([NOT_REPRODUCED], NOT_REPRODUCED, NOT_REPRODUCED),
    ],
)
def test_a_sentence_of_parts_and_one_of_readings(
    outcomes: list[Outcome], all_hold: Outcome, whichever: Outcome
) -> None:
    """One part that fails refutes what says all; a reading that fails leaves open which one the paper means."""
    parts = {f"{at}": Finding(each, "told", {"x": at}) for at, each in enumerate(outcomes)}
    assert every(parts).outcome is all_hold
    assert over_readings(parts).outcome is whichever
    assert over_readings(parts).evidence == {f"{at}: x": at for at in range(len(parts))}


def test_curves_are_read_on_a_clock() -> None:
    """The value at a time is that of the last checkpoint; after a run's end there is none."""
    values, clock = np.array([[9.0, 5, 1], [9, 6, 3]]), np.array([[0.0, 1, 2], [0, 3, 6]])
    read = on_clock(values, clock, np.array([0, 0.9, 1, 2, 3]))
    np.testing.assert_array_equal(read, [[9, 9, 5, 1, np.nan], [9, 9, 9, 9, 6]])
    np.testing.assert_array_equal(first_time(values, clock, 5), [1, 6])
    np.testing.assert_array_equal(first_time(values, clock, 2), [2, np.nan])
    curves = banded("loss", read[None], ("scheme", "time"))
    np.testing.assert_array_equal(curves["loss"].values, [[9, 9, 7, 5, np.inf]])


def test_the_same_scheme_looks_alike_and_different_ones_do_not() -> None:
    """Within a kind, both colour and (line, marker) tell curves apart, so a grey print can be read."""
    schemes = ["optimally_structured", "ignore_stragglers", "bernoulli", "stochastic", "erasure_head"]
    schemes += ["optimal_decoding", "osgc", "one_bit", "wait_for_all"]
    for names in (schemes, list(fig1.METHODS)):
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


def test_the_command_draws_tells_and_redraws(small: catalogue.Entry, tmp_path: Path) -> None:
    runner = CliRunner()
    first = runner.invoke(command_line.command, [small.key, "--out", str(tmp_path)], catch_exceptions=False)
    assert first.exit_code == 0
    assert "computed in" in first.output
    assert "reproduced: " in first.output
    again = runner.invoke(command_line.command, [small.key, "--out", str(tmp_path), "--json"], catch_exceptions=False)
    told = json.loads(again.output)[small.key]
    assert not told["computed"]
    assert {claim["key"] for claim in told["claims"]} == {
        key for key, each in sentences().items() if each.figure == small.key
    }


def test_the_command_fails_where_the_ledger_is_wrong(
    small: catalogue.Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the paper's scale; a smaller one need not show what the ledger says."""
    wrong = replace(sentences()["hetero_gc/fig1_near_optimal"], outcome="inconclusive")
    monkeypatch.setattr("figures.computed.sentences", lambda: {wrong.key: wrong})
    monkeypatch.setitem(fig1.SCALES, "paper", SMALL)
    runner = CliRunner()
    assert runner.invoke(command_line.command, [small.key, "--out", str(tmp_path)]).exit_code == 0
    found = runner.invoke(command_line.command, [small.key, "--out", str(tmp_path), "--scale", "paper"])
    assert found.exit_code == 1
    assert "otherwise than the ledger says" in found.output
    assert "(ledger: inconclusive)" in found.output


def test_the_command_lists_and_names_mistakes(tmp_path: Path) -> None:
    runner = CliRunner()
    listed = runner.invoke(command_line.command, ["--list", "--json"])
    assert json.loads(listed.output) == {key: entry.title for key, entry in ENTRIES.items()}
    with pytest.raises(InputError, match=r"unknown figure 'nope/fig1': choose one of .*hetero_gc/fig1"):
        runner.invoke(command_line.command, ["nope/fig1"], catch_exceptions=False, standalone_mode=False)
    with pytest.raises(InputError, match=r"unknown paper 'nope': choose one of .*hetero_gc"):
        runner.invoke(command_line.command, ["--paper", "nope"], catch_exceptions=False, standalone_mode=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another --out"):
        runner.invoke(
            command_line.command, ["--out", str(tmp_path / "file")], catch_exceptions=False, standalone_mode=False
        )
