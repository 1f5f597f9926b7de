"""VRPLIB files: what is read, what is written, and the line of text for everything that is wrong with one."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evo.errors import InstanceError, UsageError
from evo.problems.cvrp.instance import Instance
from evo.problems.cvrp.vrplib_file import read, write_vrp

TEXT = """\
NAME : tiny
COMMENT : (nobody, No of trucks: 2, Optimal value: 24)
TYPE : CVRP
DIMENSION : 4
EDGE_WEIGHT_TYPE : EUC_2D
CAPACITY : 10
NODE_COORD_SECTION
1 0 0
2 3 4
3 0 5
4 -3 4
DEMAND_SECTION
1 0
2 4
3 5
4 6
DEPOT_SECTION
1
-1
EOF
"""
WEIGHTS = np.array([[0, 12, 13, 14], [12, 0, 23, 24], [13, 23, 0, 34], [14, 24, 34, 0]])
FORMATS = {
    "FULL_MATRIX": WEIGHTS.ravel(),
    "LOWER_ROW": [12, 13, 23, 14, 24, 34],
    "UPPER_ROW": [12, 13, 14, 23, 24, 34],
    "LOWER_DIAG_ROW": [0, 12, 0, 13, 23, 0, 14, 24, 34, 0],
    "UPPER_DIAG_ROW": [0, 12, 13, 14, 0, 23, 24, 0, 34, 0],
}


def change(*replacements: tuple[str, str]) -> str:
    text = TEXT
    for old, new in replacements:
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in the text"
        text = text.replace(old, new)
    return text


def explicit(form: str, numbers: Any, per_line: int = 100) -> str:
    tokens = [str(number) for number in numbers]
    rows = [" ".join(tokens[i : i + per_line]) for i in range(0, len(tokens), per_line)]
    start, end = TEXT.index("NODE_COORD_SECTION"), TEXT.index("DEMAND_SECTION")
    section = "\n".join(("EDGE_WEIGHT_SECTION", *rows, ""))
    text = TEXT[:start] + section + TEXT[end:]
    return text.replace("EUC_2D", f"EXPLICIT\nEDGE_WEIGHT_FORMAT : {form}")


@pytest.fixture
def save(tmp_path: Path) -> Any:
    def write(text: str | bytes, name: str = "tiny.vrp") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def assert_equal(one: Instance, other: Instance, *, but: tuple[str, ...] = ()) -> None:
    expected, found = one.to_spec(), other.to_spec()
    for name in expected.keys() - set(but):
        strict = isinstance(expected[name], np.ndarray)
        np.testing.assert_array_equal(found[name], expected[name], strict=strict, err_msg=name)


def test_a_plain_file_is_read(save: Any) -> None:
    instance = read(save(TEXT))
    assert (instance.name, instance.capacity, instance.rounding) == ("tiny", 10, "nearest")
    assert instance.comment == "(nobody, No of trucks: 2, Optimal value: 24)"
    assert instance.demands.tolist() == [0, 4, 5, 6]
    assert instance.coordinates is not None
    assert instance.coordinates.tolist() == [[0, 0], [3, 4], [0, 5], [-3, 4]]
    assert instance.max_vehicles is None  # "No of trucks" is a remark, no limit
    assert instance.max_duration is None


WRONG = [
    # what is wrong, the text, what the message must say
    ("empty", "", r": EOF: expected at the end"),
    ("no VRPLIB file", "hello\n", r", line 1: header: expected 'KEY : value'.*'hello'"),
    ("no EOF", change(("-1\nEOF\n", "")), r": EOF: expected at the end"),
    ("cut in a row of coordinates", TEXT[: TEXT.index("3 0 5") + 3], r": EOF: expected at the end"),
    ("cut in the last demand", TEXT[: TEXT.index("4 6") + 3], r": EOF: expected at the end"),
    (
        "row of coordinates missing",
        change(("4 -3 4\n", "")),
        r", line 10: NODE_COORD_SECTION: expected 4 rows.*found 3",
    ),
    ("row of demands missing", change(("4 6\n", "")), r", line 15: DEMAND_SECTION: expected 4 rows.*found 3"),
    ("demands missing", change(("DEMAND_SECTION\n1 0\n2 4\n3 5\n4 6\n", "")), r": DEMAND_SECTION: expected, not found"),
    ("demands empty", change(("1 0\n2 4\n3 5\n4 6\n", "")), r", line 12: DEMAND_SECTION: expected 4 rows.*found 0"),
    ("depot missing", change(("DEPOT_SECTION\n1\n-1\n", "")), r": DEPOT_SECTION: expected, not found"),
    (
        "depot empty",
        change(("SECTION\n1\n-1", "SECTION\n-1")),
        r", line 18: DEPOT_SECTION: expected one depot, found none",
    ),
    ("two depots", change(("\n1\n-1", "\n1\n2\n-1")), r", line 20: DEPOT_SECTION: expected one depot, found 2: 1, 2"),
    ("depot out of range", change(("\n1\n-1", "\n5\n-1")), r", line 18: DEPOT_SECTION: .*DIMENSION 4, found '5'"),
    ("depot as coordinates", change(("\n1\n-1", "\n0.0 0.0\n-1")), r", line 18: DEPOT_SECTION: .*found '0.0'"),
    (
        "coordinates missing",
        change(("NODE_COORD_SECTION\n1 0 0\n2 3 4\n3 0 5\n4 -3 4\n", "")),
        r": NODE_COORD_SECTION: expected",
    ),
    ("duplicate section", TEXT.replace("DEPOT_S", "DEMAND_S"), r", line 17: DEMAND_SECTION: expected once.*line 12"),
    ("unknown section", change(("DEPOT_SECTION", "TIME_WINDOW_SECTION")), r", line 17: TIME_WINDOW_SECTION: unknown"),
    ("misspelt section", change(("DEMAND_", "DEMANDS_")), r", line 12: DEMANDS_SECTION: .*mean DEMAND_SECTION\?"),
    ("duplicate key", change(("NAME", "CAPACITY : 3\nNAME")), r", line 7: CAPACITY: expected once, .* line 1"),
    ("misspelt key", change(("CAPACITY", "CAPACTIY")), r", line 6: CAPACTIY: unknown key; did you mean CAPACITY\?"),
    ("unknown key", change(("CAPACITY : 10", "Q : 10")), r", line 6: Q: unknown key; known are NAME, "),
    ("dimension missing", change(("DIMENSION : 4\n", "")), r": DIMENSION: expected the number of nodes"),
    ("dimension too small", change(("ION : 4", "ION : 3")), r", line 11: NODE_COORD_SECTION: .*DIMENSION 3, found 4"),
    ("dimension too large", change(("ION : 4", "ION : 5")), r", line 11: NODE_COORD_SECTION: expected 5 rows.*found 4"),
    ("dimension not a number", change(("ION : 4", "ION : four")), r", line 4: DIMENSION: .*found 'four'"),
    ("dimension huge", change(("ION : 4", "ION : 1e15")), r", line 11: NODE_COORD_SECTION: expected 10+ rows.*found 4"),
    ("no customers", change(("ION : 4", "ION : 1")), r", line 4: DIMENSION: .*at least one customer, found 1 node"),
    ("type of another problem", change(("TYPE : CVRP", "TYPE : TSP")), r", line 3: TYPE: expected one of CVRP.*'TSP'"),
    ("asymmetric type", change(("TYPE : CVRP", "TYPE : ACVRP")), r", line 3: TYPE: expected one of CVRP.*'ACVRP'"),
    (
        "unsupported distances",
        change(("EUC_2D", "GEO")),
        r", line 5: EDGE_WEIGHT_TYPE: .*EUC_2D, CEIL_2D, EXPLICIT.*'GEO'",
    ),
    ("no kind of distances", change(("EDGE_WEIGHT_TYPE : EUC_2D\n", "")), r": EDGE_WEIGHT_TYPE: .*found no such key"),
    ("capacity missing", change(("CAPACITY : 10\n", "")), r": CAPACITY: expected an integer > 0, found no such key"),
    ("capacity zero", change(("ITY : 10", "ITY : 0")), r", line 6: CAPACITY: expected an integer > 0, found '0'"),
    ("capacity negative", change(("ITY : 10", "ITY : -10")), r", line 6: CAPACITY: .*found '-10'"),
    ("capacity fractional", change(("ITY : 10", "ITY : 10.5")), r", line 6: CAPACITY: .*found '10.5'"),
    ("capacity infinite", change(("ITY : 10", "ITY : 1e999")), r", line 6: CAPACITY: .*found '1e999'"),
    ("coordinate not a number", change(("3 0 5", "3 0 east")), r", line 10: NODE_COORD_SECTION: .*found '3 0 east'"),
    ("row not of numbers", change(("3 0 5", "three 0 5")), r", line 10: NODE_COORD_SECTION: .*found 'three 0 5'"),
    ("coordinate nan", change(("3 0 5", "3 nan 5")), r", line 10: NODE_COORD_SECTION: .*found '3 nan 5'"),
    ("coordinate infinite", change(("3 0 5", "3 0 inf")), r", line 10: NODE_COORD_SECTION: .*found '3 0 inf'"),
    ("coordinate too large", change(("3 0 5", "3 0 1e999")), r", line 10: NODE_COORD_SECTION: .*finite.*'3 0 1e999'"),
    ("distances too large", change(("3 0 5", "3 0 5e9")), r", line 7: NODE_COORD_SECTION: .*scale the coordinates"),
    ("digits with an underscore", change(("3 0 5", "3 0 1_0")), r", line 10: NODE_COORD_SECTION: .*found '3 0 1_0'"),
    ("coordinate missing", change(("3 0 5", "3 0")), r", line 10: NODE_COORD_SECTION: .*found '3 0'"),
    ("coordinate too many", change(("3 0 5", "3 0 5 1")), r", line 10: NODE_COORD_SECTION: .*found '3 0 5 1'"),
    ("node twice", change(("3 0 5", "2 0 5")), r", line 10: NODE_COORD_SECTION: expected node 2 once.* line 9"),
    ("node zero", change(("3 0 5", "0 0 5")), r", line 10: NODE_COORD_SECTION: expected a node from 1 .*found 0"),
    ("demand not a number", change(("3 5\n", "3 many\n")), r", line 15: DEMAND_SECTION: .*found '3 many'"),
    ("demand fractional", change(("3 5\n", "3 5.5\n")), r", line 15: DEMAND_SECTION: .*integer, found 5.5 at node 3"),
    ("demand negative", change(("3 5\n", "3 -5\n")), r", line 15: DEMAND_SECTION: expected >= 0, found -5 at node 3"),
    (
        "demand above capacity",
        change(("3 5\n", "3 11\n")),
        r", line 15: DEMAND_SECTION: .*capacity 10, found 11 at node 3",
    ),
    ("demand astronomical", change(("3 5\n", f"3 {10**30}\n")), r", line 15: DEMAND_SECTION: .*capacity 10, found 10+"),
    ("node of 5000 digits", change(("3 0 5", "9" * 5000 + " 0 5")), r", line 10: NODE_COORD_SECTION: .*found '9+'"),
    (
        "depot of 5000 digits",
        change(("\n1\n-1", "\n" + "9" * 5000 + "\n-1")),
        r", line 18: DEPOT_SECTION: .*found '9+'",
    ),
    ("demand of the depot", change(("1 0\n2 4", "1 1\n2 4")), r", line 13: DEMAND_SECTION: .*depot, found 1 at node 1"),
    ("demand missing", change(("3 5\n", "3\n")), r", line 15: DEMAND_SECTION: .*found '3'"),
    (
        "fleet too small",
        change(("NAME", "VEHICLES : 1\nNAME")),
        r", line 1: VEHICLES: expected at least 2 .*5 units short",
    ),
    ("fleet negative", change(("NAME", "VEHICLES : -1\nNAME")), r", line 1: VEHICLES: expected an integer > 0"),
    ("limit of distance zero", change(("NAME", "DISTANCE : 0\nNAME")), r", line 1: DISTANCE: expected .*> 0, found 0"),
    ("service time negative", change(("NAME", "SERVICE_TIME : -2\nNAME")), r", line 1: SERVICE_TIME: expected >= 0"),
    ("service time nan", change(("NAME", "SERVICE_TIME : nan\nNAME")), r", line 1: SERVICE_TIME: .*finite.*'nan'"),
    (
        "weights of no explicit file",
        change(("DEPOT_S", "EDGE_WEIGHT_SECTION\n1\nDEPOT_S")),
        r", line 17: EDGE_WEIGHT_SEC",
    ),
    (
        "explicit without weights",
        change(("EUC_2D", "EXPLICIT\nEDGE_WEIGHT_FORMAT : LOWER_ROW")),
        r": EDGE_WEIGHT_SECTION",
    ),
    ("explicit without format", change(("EUC_2D", "EXPLICIT")), r": EDGE_WEIGHT_FORMAT: expected one of FULL_MATRIX"),
    ("explicit unknown format", explicit("LOWER_COL", []), r", line 6: EDGE_WEIGHT_FORMAT: .*found 'LOWER_COL'"),
    ("weights too few", explicit("LOWER_ROW", range(5)), r", line 9: EDGE_WEIGHT_SECTION: expected 6 numbers.*found 5"),
    ("weights too many", explicit("LOWER_ROW", range(7), 3), r", line 11: EDGE_WEIGHT_SECTION: expected 6 .*found 7"),
    ("weight not a number", explicit("LOWER_ROW", [1, 2, 3, "x", 5, 6], 3), r", line 10: EDGE_WEIGHT_SECTION: .*'x'"),
    ("weight nan", explicit("LOWER_ROW", [1, 2, 3, "nan", 5, 6], 2), r", line 10: EDGE_WEIGHT_SECTION: .*'nan'"),
    ("weight infinite", explicit("LOWER_ROW", [1, 2, 3, "1e999", 5, 6]), r", line 8: EDGE_WEIGHT_SECTION: .*finite"),
    ("weight negative", explicit("LOWER_ROW", [1, 2, -3, 4, 5, 6]), r", line 8: EDGE_WEIGHT_SECTION: expected >= 0"),
    (
        "weight above int32",
        explicit("LOWER_ROW", [1, 2, 2**31, 4, 5, 6]),
        r", line 8: EDGE_WEIGHT_SECTION: .*2147483647",
    ),
    ("weights asymmetric", explicit("FULL_MATRIX", np.triu(WEIGHTS).ravel()), r", line 8: EDGE_WEIGHT_S.*asymmetric"),
    (
        "diagonal not zero",
        explicit("UPPER_DIAG_ROW", [1] * 10),
        r", line 8: EDGE_WEIGHT_SECTION: expected 0 on the diag",
    ),
]


@pytest.mark.parametrize(("text", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_wrong_file_is_refused_in_one_line_with_file_line_and_field(save: Any, text: str, message: str) -> None:
    path = save(text)
    with pytest.raises(InstanceError, match=message) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_service_time_given_twice_is_refused(save: Any) -> None:
    section = "SERVICE_TIME_SECTION\n1 0\n2 1\n3 1\n4 1\nDEPOT"
    with pytest.raises(InstanceError, match="line 18: SERVICE_TIME_SECTION: expected once, found as a key at line 1"):
        read(save(change(("NAME", "SERVICE_TIME : 2\nNAME"), ("DEPOT", section))))


@given(st.integers(0, len(TEXT) - 6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_that_is_cut_short_is_taken_for_a_whole_one(save: Any, length: int) -> None:
    with pytest.raises(InstanceError):
        read(save(TEXT[:length]))


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_a_damaged_file_is_read_or_refused_but_never_crashes(save: Any, data: st.DataObject) -> None:
    raw = bytearray(TEXT.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = save(bytes(raw))
    with contextlib.suppress(InstanceError):
        read(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match=r"none\.vrp: cannot be read: No such file"):
        read(tmp_path / "none.vrp")
    with pytest.raises(InstanceError, match="cannot be read: Is a directory"):
        read(tmp_path)


DIALECTS = {
    "CRLF": TEXT.replace("\n", "\r\n"),
    "CR": TEXT.replace("\n", "\r"),
    "KEY: value": TEXT.replace(" : ", ": "),
    "KEY :tab": TEXT.replace(" : ", " :\t"),
    "tabs": TEXT.replace(" ", "\t"),
    "trailing blanks": TEXT.replace("\n", " \t\n"),
    "blank lines": TEXT.replace("\n", "\n\n"),
    "SECTION :": TEXT.replace("SECTION", "SECTION :"),
    "BOM": "\ufeff" + TEXT,
    "no EOF after -1": TEXT.removesuffix("EOF\n"),
    "no last line end": TEXT.removesuffix("\n"),
    "text after EOF": TEXT + "whatever follows\n",
    "scientific": change(("2 3 4", "2 3.0 .4e1"), ("4 -3 4", "4 -30E-1 +4.")),
    "rows in another order": change(("2 3 4\n3 0 5\n", "3 0 5\n2 3 4\n"), ("2 4\n3 5\n4 6", "4 6\n3 5\n2 4")),
    "depots in one row": change(("\n1\n-1", "\n1 -1")),
    "no TYPE": change(("\nTYPE : CVRP\n", "\n")),
}


@pytest.mark.parametrize("text", DIALECTS.values(), ids=DIALECTS)
def test_the_dialects_of_the_format_read_the_same(save: Any, text: str) -> None:
    assert_equal(read(save(TEXT)), read(save(text)), but=("comment",))


def test_names_and_comments_may_hold_anything(save: Any) -> None:
    instance = read(save(change(("tiny", "Gölde: EOF_SECTION"), ("(nobody", "DEMAND_SECTION # (Höß"))))
    assert instance.name == "Gölde: EOF_SECTION"
    assert read(save(change(("tiny", "Gölde")).encode("latin-1"))).name == "Gölde"
    assert read(save(change(("NAME : tiny\n", "")))).name == "tiny"  # the file's stem


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("per_line", [1, 4, 100])
def test_an_explicit_matrix_is_read_in_each_layout_however_its_rows_are_broken(
    save: Any, form: str, per_line: int
) -> None:
    instance = read(save(explicit(form, FORMATS[form], per_line)))
    assert instance.coordinates is None
    np.testing.assert_array_equal(instance.distance_matrix(), WEIGHTS)
    assert instance.distance_matrix().dtype == np.int32


def test_an_explicit_matrix_of_real_numbers_stays_real(save: Any) -> None:
    instance = read(save(explicit("LOWER_ROW", [0.5, 1, 2, 3, 4, 5])))
    assert not instance.integral
    assert instance.distance_matrix()[1, 0] == 0.5


@pytest.mark.parametrize("section", ["NODE_COORD", "DISPLAY_DATA"])
def test_coordinates_beside_an_explicit_matrix_are_kept_for_drawing(save: Any, section: str) -> None:
    rows = f"{section}_SECTION\n1 0 0\n2 1 0\n3 2 0\n4 3 0\nDEMAND_SECTION"
    instance = read(save(explicit("LOWER_ROW", FORMATS["LOWER_ROW"]).replace("DEMAND_SECTION", rows)))
    assert instance.coordinates is not None
    assert instance.coordinates[:, 0].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(instance.distance_matrix(), WEIGHTS)


def test_a_depot_that_is_not_node_1_becomes_node_0_and_the_others_keep_their_order(save: Any) -> None:
    demands = ("1 0\n2 4\n3 5\n4 6", "1 4\n2 5\n3 0\n4 6")
    instance = read(save(change(("\n1\n-1", "\n3\n-1"), demands)))
    assert instance.demands.tolist() == [0, 4, 5, 6]
    assert instance.coordinates is not None
    assert instance.coordinates.tolist() == [[0, 5], [0, 0], [3, 4], [-3, 4]]
    text = explicit("LOWER_ROW", FORMATS["LOWER_ROW"]).replace("\n1\n-1", "\n3\n-1").replace(*demands)
    assert read(save(text)).distance_matrix()[0].tolist() == [0, 13, 23, 34]


def test_the_rounding_is_the_files_unless_it_is_switched_off(save: Any) -> None:
    assert read(save(TEXT)).rounding == "nearest"
    assert read(save(change(("EUC_2D", "CEIL_2D")))).rounding == "ceil"
    assert read(save(change(("EUC_2D", "CEIL_2D"))), round=False).rounding == "none"


def test_limits_of_fleet_and_distance_and_service_times_are_read(save: Any) -> None:
    keys = "VEHICLES : 3\nDISTANCE : 40.5\nSERVICE_TIME : 10\nNAME"
    instance = read(save(change(("NAME", keys))))
    assert (instance.max_vehicles, instance.max_duration) == (3, 40.5)
    assert instance.service_times is not None
    assert instance.service_times.tolist() == [0, 10, 10, 10]
    instance = read(save(change(("DEPOT", "SERVICE_TIME_SECTION\n1 0\n2 1.5\n3 2\n4 3\nDEPOT"))))
    assert instance.service_times is not None
    assert instance.service_times.tolist() == [0, 1.5, 2, 3]


@pytest.mark.parametrize(
    ("remark", "best"),
    [
        ("Optimal value: 24", 24),
        ("Best value: 1073", 1073),
        ("best known value : 12.", 12),
        ("Best value: 524.61", None),  # of real distances, but these are rounded
        ("No of trucks: 5", None),
    ],
)
def test_the_best_known_cost_is_taken_from_the_comment(save: Any, remark: str, best: float | None) -> None:
    assert read(save(change(("Optimal value: 24", remark)))).best_known == best


def test_the_best_known_cost_is_taken_from_the_solution_beside_the_file(save: Any) -> None:
    path = save(TEXT)
    save("Route #1: 1 2\nRoute #2: 3\nCost 22\n", "tiny.sol")
    assert read(path).best_known == 22
    assert read(path, best_known=21).best_known == 21
    assert read(path, round=False).best_known is None  # 22 is a cost of rounded distances
    save("Cost 22.25\n", "tiny.sol")
    assert read(path, round=False).best_known == 22.25


def test_a_solution_beside_the_file_that_cannot_be_read_is_no_secret(save: Any) -> None:
    path = save(TEXT)
    save("Route #1: 1 2\n", "tiny.sol")
    with pytest.raises(InstanceError, match=r"tiny\.sol: Cost: .*\(read for the best known cost of tiny\.vrp\)"):
        read(path)


# -- writing --------------------------------------------------------------------------------------------------------

numbers = st.one_of(st.integers(-(10**6), 10**6).map(float), st.floats(-1e6, 1e6))
words = st.text("abcÄé#:'() .\t0123456789", max_size=20).map(lambda text: text.strip())


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    n = draw(st.integers(2, 8))
    explicit = draw(st.booleans())
    distances = None
    if explicit:
        entry = draw(st.sampled_from([st.integers(0, 2**31 - 1), st.floats(0, 1e6)]))
        lower = np.array([[draw(entry) if j < i else 0 for j in range(n)] for i in range(n)])
        distances = lower + lower.T
    coordinates = None
    if not explicit or draw(st.booleans()):
        coordinates = [[draw(numbers), draw(numbers)] for _ in range(n)]
    capacity = draw(st.integers(1, 10**6))
    return Instance(
        name=draw(words.filter(bool)),
        demands=[0] + [draw(st.integers(0, capacity)) for _ in range(n - 1)],
        capacity=capacity,
        coordinates=coordinates,
        distances=distances,
        rounding="nearest" if explicit else draw(st.sampled_from(["nearest", "ceil", "none"])),
        max_vehicles=draw(st.none() | st.integers(n, 100)),
        max_duration=draw(st.none() | st.floats(1e-3, 1e300)),
        service_times=draw(st.none() | st.just([0.0] + [draw(st.floats(0, 1e6)) for _ in range(n - 1)])),
        comment=draw(words),
    )


@given(instances())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_written_reads_back_equal(tmp_path: Path, instance: Instance) -> None:
    write_vrp(tmp_path / "it.vrp", instance)
    again = read(tmp_path / "it.vrp", round=instance.rounding != "none")
    # A matrix of real numbers that are all whole reads as integers: equal numbers of another type.
    but = ("best_known", "distances") if instance.distances is not None else ("best_known",)
    assert_equal(instance, again, but=but)
    np.testing.assert_array_equal(again.distance_matrix(), instance.distance_matrix())


def test_a_name_that_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    instance = Instance("two\nlines", [0, 1], 1, coordinates=[[0, 0], [1, 1]])
    with pytest.raises(UsageError, match="name: expected one line"):
        write_vrp(tmp_path / "it.vrp", instance)
    assert list(tmp_path.iterdir()) == []


def test_the_largest_double_survives_a_round_trip(tmp_path: Path) -> None:
    instance = Instance("far", [0, 1], 1, coordinates=[[0, 0], [math.pi, 1e-300]])
    write_vrp(tmp_path / "far.vrp", instance)
    assert_equal(instance, read(tmp_path / "far.vrp"))
