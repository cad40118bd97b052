"""Reading response-time logs: what is data, what is a mistake, and what the message says."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.core.errors import InputError
from workbench.stragglers.log import ResponseLog, embedded_log, read_log

GOOD = "round,worker,response_s\n0,a,1.5\n0,b,2\n1,a,1e3\n1,b,0.25\n"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "log.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_reads_rounds_by_workers(tmp_path: Path) -> None:
    log = read_log(write(tmp_path, GOOD))
    np.testing.assert_array_equal(log.response_s, [[1.5, 2.0], [1000.0, 0.25]])
    assert log.workers == ("a", "b")
    assert (log.n_missing, log.censored_at_s, log.source, len(log.sha256)) == (0, 1000.0, "log.csv", 64)


def test_numeric_labels_are_in_numerical_order(tmp_path: Path) -> None:
    rows = [f"{r},{w},{r + w / 100}" for r in (10, 9, 100) for w in (2, 10, 1)]
    log = read_log(write(tmp_path, "\n".join(["round,worker,response_s", *rows])))
    assert log.workers == ("1", "2", "10")
    np.testing.assert_allclose(log.response_s[:, 0], [9.01, 10.01, 100.01])


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace(",", " , "),
        GOOD.replace("1,a", '1,"a"') + "\n\n",
    ],
    ids=["byte-order mark", "CRLF", "spaces", "quotes and blank lines"],
)
def test_spelling_does_not_matter(tmp_path: Path, content: str) -> None:
    expected = read_log(write(tmp_path, GOOD)).response_s
    np.testing.assert_array_equal(read_log(write(tmp_path, content)).response_s, expected)


def test_missing_response_is_later_than_all_seen(tmp_path: Path) -> None:
    log = read_log(write(tmp_path, "\n".join(GOOD.splitlines()[:-1])))
    assert np.isinf(log.response_s[1, 1])
    assert (log.n_missing, log.censored_at_s) == (1, 1000.0)


def test_stated_deadline_censors(tmp_path: Path) -> None:
    text = "round,worker,response_s,deadline_s\n0,a,1,5\n0,b,2,5\n1,a,3,4\n"
    assert read_log(write(tmp_path, text)).censored_at_s == 4.0
    assert read_log(write(tmp_path, text.replace("1,a,3,4", "1,a,9,4"))).censored_at_s == 4.0
    assert read_log(write(tmp_path, text + "1,b,1,4\n")).censored_at_s == 4.0
    assert read_log(write(tmp_path, text.replace("1,a,3,4", "1,a,9,4") + "1,b,1,4\n")).censored_at_s == 9.0


GROUPED = "load,region,round,worker,response_s\n" + "".join(
    f"{load},x,{r},{w},{1 + r}\n" for load in ("0.50", "1") for r in (0, 1) for w in (0, 1)
)


def test_groups_are_selected_as_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, GROUPED)
    for spelling in ("0.5", "0.50", "5e-1"):
        log = read_log(path, {"load": spelling})
        assert log.group == {"load": "0.50", "region": "x"}
        assert log.response_s.shape == (2, 2)
    assert read_log(path, {"load": "1.0", "region": "x"}).group["load"] == "1"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({}, r"line 1: 2 groups .*--where load=0.50, --where load=1"),
        ({"laod": "1"}, r"no grouping column 'laod' .*load, region"),
        ({"load": "2"}, r"no row has load = '2' .*0.50, 1"),
        ({"load": "high"}, r"no row has load = 'high'"),
    ],
)
def test_selection_that_leaves_no_single_group(tmp_path: Path, where: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_log(write(tmp_path, GROUPED), where)


def test_very_many_groups_are_counted(tmp_path: Path) -> None:
    text = "job,round,worker,response_s\n" + "".join(f"{j},0,0,1\n" for j in range(500))
    with pytest.raises(InputError, match=r"500 groups") as caught:
        read_log(write(tmp_path, text))
    assert len(str(caught.value)) < 500


BAD = {
    "empty": ("", "line 1: the file is empty"),
    "blank": ("\n \n", "line 1: the file is empty"),
    "header only": ("round,worker,response_s\n", "line 1: .*no response"),
    "missing column": ("round,worker,seconds\n0,0,1\n", "line 1: column 'response_s' is missing"),
    "NaN": (GOOD.replace("1.5", "nan"), "line 2: response_s is 'nan'"),
    "infinite": (GOOD.replace("0.25", "inf"), "line 5: response_s is 'inf'"),
    "overflow": (GOOD.replace("0.25", "1e999"), "line 5: response_s is '1e999'"),
    "negative": (GOOD.replace("0.25", "-0.25"), "line 5: response_s is '-0.25'"),
    "zero": (GOOD.replace("0.25", "0.0"), "line 5: response_s is '0.0'"),
    "text": (GOOD.replace("0.25", "fast"), "line 5: response_s is 'fast'"),
    "underscore": (GOOD.replace("0.25", "1_0"), "line 5: response_s is '1_0'"),
    "no number": (GOOD.replace("0.25", ""), "line 5: response_s is ''"),
    "few cells": (GOOD.replace("0,b,2", "0,b"), "line 3: 2 cells where the header has 3"),
    "many cells": (GOOD.replace("0,b,2", "0,b,2,5"), "line 3: 4 cells where the header has 3"),
    "twice": (GOOD + "0,b,3\n", "line 6: worker 'b' is already in round '0' on line 3"),
    "one worker": ("round,worker,response_s\n0,a,1\n1,a,1\n", "line 2: the only worker is 'a'"),
    "one round": ("round,worker,response_s\n0,a,1\n0,b,1\n", "line 2: the only round is '0'"),
    "no worker": (GOOD.replace("0,b", "0,"), "line 3: worker is empty"),
    "column twice": (GOOD.replace("worker,resp", "round,worker,resp"), "line 1: column 'round' is there twice"),
    "bad deadline": ("round,worker,response_s,deadline_s\n0,a,1,x\n", "line 2: deadline_s is 'x'"),
    "binary": (b"round,worker\n\x00\x01\x02", "line 2: this is a binary file"),
    "latin-1": (b"round,worker,response_s\n0,\xe9,1\n", "line 2: not UTF-8"),
    "open quote": (GOOD + '2,"a,1\n', "line 6: not CSV"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_mistake_is_one_line_with_file_and_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=message) as caught:
        read_log(path)
    assert str(caught.value).startswith(f"{path}: line ")
    assert "\n" not in str(caught.value)


def test_unreadable_paths(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.csv"):
        with pytest.raises(InputError, match="cannot be read"):
            read_log(path)


@given(st.binary(max_size=60))
def test_no_bytes_give_a_traceback(tmp_path_factory: pytest.TempPathFactory, tail: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(b"round,worker,response_s\n0,0,1\n" + tail)
    with suppress(InputError):
        assert isinstance(read_log(path), ResponseLog)


def test_real_log_with_outliers(canada_log: Path) -> None:
    log = read_log(canada_log, {"load": "0.5"})
    assert log.response_s.shape == (30, 256)
    assert log.response_s.max() > 30 * np.median(log.response_s)
    assert log.group == {"region": "Canada", "load": "0.5"}


def test_embedded_log() -> None:
    log = embedded_log()
    assert (log.n_rounds, log.n_workers, log.n_missing) == (50, 16, 0)
