"""`workbench placements` as a user meets it: what there is, one certificate, and one line for every mistake."""

import json
import re
import sys
from itertools import combinations

import numpy as np
import pytest

from workbench.cli import main
from workbench.core.catalogue import placements


@pytest.fixture
def run(capsys, monkeypatch):
    """Return the entry point, called in this process: exit code, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["workbench", "placements", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return call


def of(workers, parts, replication):
    return "--workers", workers, "--parts", parts, "--replication", replication


def test_without_arguments_every_placement_is_listed(run):
    code, out, err = run()
    assert (code, err) == (0, "")
    for name, module in placements().items():
        section = re.search(rf"^{name}  (.*)$\n(.*)$", out, re.MULTILINE)
        assert section[1] == module.__doc__.partition("\n")[0]
        assert (section[2] == getattr(module, "SIZES", None)) != hasattr(module, "sizes")
        assert ":math:" not in section[1]
    assert re.search(r"^ +13 +13 +4 +4 +4 +1 PG\(2,3\) *$", out, re.MULTILINE)
    assert "…" not in out


def test_the_list_as_json_is_measured(run):
    code, out, err = run("--json", "--most-workers", 16)
    assert (code, err) == (0, "")
    listed = json.loads(out)
    assert listed.keys() == placements().keys()
    for name, each in listed.items():
        module = placements()[name]
        if each["sizes"] is None:
            assert not hasattr(module, "sizes")
            assert each["for"] == module.SIZES
            continue
        assert [row["workers"] for row in each["sizes"]] == [size.n_workers for size in module.sizes(16)]
    fano = listed["projective_plane"]["sizes"][0]
    three = {"least": 3, "most": 3}
    assert fano == {
        "workers": 7, "parts": 7, "replication": 3, "copies": three, "load": three, "overlap": {"least": 1, "most": 1},
        "construction": "PG(2,2)",
    }  # fmt: skip
    assert listed["expander_paley"]["sizes"][0]["parts"] is None


def test_one_name_lists_its_own_sizes(run):
    _, out, _ = run("affine_plane", "--json", "--most-workers", 10)
    found = [
        (row["workers"], row["parts"], row["replication"], row["load"]["most"])
        for row in json.loads(out)["affine_plane"]["sizes"]
    ]
    assert found == [(4, 6, 2, 3), (6, 4, 3, 2), (9, 12, 3, 4)]


@pytest.mark.parametrize("name", placements())
def test_a_certificate_is_what_its_own_list_says(run, name):
    """Everything is counted anew from who holds what."""
    sizes = {"disjoint": (7, 9, 1), "expander_margulis": (9, 9, 8), "pair_wise_balanced": (9, 7, 3)}
    module = placements()[name]
    if name not in sizes and hasattr(module, "sizes"):
        size = module.sizes(32)[2]
        sizes[name] = size.n_workers, size.n_parts or 20, size.replication
    workers, parts, replication = sizes.get(name, (10, 12, 3))
    code, out, err = run(name, *of(workers, parts, replication), "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["placement"], found["workers"], found["parts"], found["seed"]) == (name, workers, parts, 0)
    held = [set(each) for each in found["parts_of_worker"]]
    copies = [sum(part in each for each in held) for part in range(parts)]
    assert found["replication"] == {"least": min(copies), "most": max(copies)}
    assert found["load"] == {"least": min(map(len, held)), "most": max(map(len, held))}
    assert found["pairs"] == sum(copies)
    deviation = [
        sum({j, k} <= each for each in held) - copies[j] * copies[k] / workers for j, k in combinations(range(parts), 2)
    ]
    balance = found["balance"]
    assert balance["rms"] == pytest.approx(np.sqrt(np.mean(np.square(deviation))), abs=1e-12)
    assert balance["worst"] == pytest.approx(np.abs(deviation).max(), abs=1e-12)
    least = max(balance["welch"], balance["integral"])
    assert balance["ratio"] == (pytest.approx(balance["rms"] / least) if least > 1e-9 else None)
    assert (found["expansion"] is not None) == name.startswith("expander")
    assert run(name, *of(workers, parts, replication), "--json")[1] == out


def test_an_expander_reports_the_gap_of_the_graph_it_placed(run):
    """A random graph is simple, so its adjacency can be read off the placement."""
    found = json.loads(run("expander_random", *of(12, 12, 4), "--seed", 3, "--json")[1])
    adjacency = np.array([[part in each for part in range(12)] for each in found["parts_of_worker"]], float)
    second = np.sort(np.abs(np.linalg.eigvalsh(adjacency)))[-2]
    assert found["expansion"] == pytest.approx({"degree": 4, "second_eigenvalue": second, "gap": 4 - second})
    _, out, _ = run("expander_paley", *of(13, 13, 6))
    assert re.search(r"second eigenvalue 2\.303 of degree 6, gap 3\.697", out)


def test_a_certificate_for_people(run):
    code, out, err = run("nearly_balanced", *of(13, 13, 4))
    assert (code, err) == (0, "")
    assert re.search(r"^nearly_balanced: 13 workers, 13 parts, replication 4$", out, re.MULTILINE)
    assert re.search(r"replication  4 \(workers for each part\)", out)
    assert re.search(r"load +4 \(parts on each worker\), 52 pairs in all", out)
    assert re.search(r"deviation  rms 0\.2308, largest 0\.2308", out)
    assert re.search(r"no less    rms 0\.2308 \(Welch\), 0\.2308 \(integers\), attained", out)
    assert "exactly pair-wise balanced" in run("pair_wise_balanced", *of(16, 13, 4))[1]
    assert "overlap" not in run("cyclic", *of(3, 1, 2))[1]


MISTAKES = {
    "unknown": (("pairwise",), "unknown placement 'pairwise': choose one of affine_plane, "),
    "sizes without a name": (of(3, 3, 1), "name it, one of affine_plane, "),
    "one size": (("cyclic", "--workers", 3), "give --workers, --parts and --replication together"),
    "no such size": (("projective_plane", *of(8, 8, 3)), "q a prime power.*: the nearest has 7 workers, 7 parts"),
    "too many parts": (("affine_plane", *of(9, 13, 3)), r"\(at most 12 parts there\)"),
    "two parts": (("pair_wise_balanced", *of(100, 2, 15)), "would share .* workers.: the nearest has replication 10$"),
    "no known matrix": (("hadamard_design", *of(92, 92, 46)), "a matrix of order 4t from Sylvester, Paley or products"),
    "no gap": (("expander_random", *of(5000, 100, 2)), "take a degree of at least 3"),
    "impossible": (("pair_wise_balanced", *of(8, 9, 4)), "impossible: their centred vectors"),
    "too many copies": (("cyclic", *of(3, 3, 4)), "replication 4 with 3 workers: take 1 to 3"),
    "disjoint": (("disjoint", *of(3, 3, 2)), "a disjoint placement holds every part once"),
    "no worker": (("cyclic", *of(0, 3, 1)), "0 is not in the range"),
    "list too long": (("--most-workers", 10**6), "1000000 is not in the range 1<=x<=256"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(run, name):
    arguments, message = MISTAKES[name]
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(message, err), err
    assert len(err) < 700
