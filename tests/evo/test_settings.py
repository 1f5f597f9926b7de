"""Settings: what a problem.yaml may say, and the one line that says what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evo import strict_yaml
from evo.distributed.fault_tolerance_config import FaultToleranceConfig
from evo.errors import SettingsError
from evo.settings import CheckpointSettings, Settings, load_settings, parse_seconds, parse_whole, settings_from_mapping

FULL = """\
problem:
  type: cvrp
  instance: X-n101-k25.vrp
optimizer: {type: hgs, population: 25}
stop: {generations: 1000, time: 60, target: 27591, stall: 200, evaluations: 100000,
       f_tolerance: 1e-6, x_tolerance: 0.5, window: 30}
seed: 7
workers: 2
cluster: {address: ray://host:10001}
checkpoint: {interval: 5, seconds: 20, keep: 4}
fault_tolerance: {max_retries: 4, retry_delay: 1, max_restarts: 0, health_check_interval: 3, evaluation_timeout: 9,
                  on_cluster_loss: wait}
"""


POSITIVE = "expected a positive whole number"
SECONDS = "expected a positive time in seconds (or with a unit: 90s, 10m, 2h)"
SEED = "expected a whole number from 0 to 2**63 - 1"
WORKERS = 'expected a whole number, 0 or more, or "auto"'


def load(tmp_path: Path, text: str | bytes) -> Settings:
    path = tmp_path / "problem.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_settings(path)


def mistake(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    return str(caught.value).replace(str(tmp_path) + "/", "")


def test_every_key_of_a_problem_file_is_read(tmp_path: Path) -> None:
    settings = load(tmp_path, FULL)
    assert settings.problem.type == "cvrp"
    assert settings.problem.parameters == {"instance": "X-n101-k25.vrp"}
    assert (settings.optimizer.type, settings.optimizer.parameters) == ("hgs", {"population": 25})
    assert settings.stop.model_dump() == {
        "generations": 1000, "time": 60.0, "target": 27591.0, "stall": 200, "evaluations": 100000,
        "f_tolerance": 1e-6, "x_tolerance": 0.5, "window": 30,
    }  # fmt: skip
    assert (settings.seed, settings.workers) == (7, 2)
    assert settings.cluster is not None
    assert settings.cluster.address == "ray://host:10001"
    assert settings.checkpoint == CheckpointSettings(interval=5, seconds=20.0, keep=4)
    assert settings.fault_tolerance.max_restarts == 0
    assert settings.fault_tolerance.on_cluster_loss == "wait"


def test_a_problem_alone_is_enough_and_the_rest_has_the_published_defaults(tmp_path: Path) -> None:
    mapping = load(tmp_path, "problem: {type: sphere}").to_mapping()
    limits = ["generations", "time", "target", "stall", "evaluations", "f_tolerance", "x_tolerance", "window"]
    assert mapping["stop"] == dict.fromkeys(limits)
    assert mapping["seed"] == 1
    assert mapping["workers"] == "auto"
    assert mapping["cluster"] is None
    assert mapping["checkpoint"] == {
        "interval": 10,
        "seconds": 30.0,
        "keep": 3,
        "every": None,
        "compression": "none",
        "journal": "auto",
        "directory": None,
        "walltime": None,
        "stop_before_walltime": 60.0,
    }
    faults = mapping["fault_tolerance"]
    assert (faults["max_retries"], faults["retry_delay"], faults["max_restarts"]) == (3, 5.0, 3)
    assert (faults["health_check_interval"], faults["evaluation_timeout"]) == (30.0, "auto")


def test_fault_tolerance_has_the_settings_and_defaults_of_the_policy_it_is_for() -> None:
    ours = settings_from_mapping({"problem": "x"}).fault_tolerance
    policy = FaultToleranceConfig.from_mapping(ours.model_dump(exclude_none=True)).to_mapping()
    assert policy == FaultToleranceConfig().to_mapping()
    assert set(policy) == set(ours.model_dump())


def test_short_forms_and_sections_left_empty_mean_what_they_look_like(tmp_path: Path) -> None:
    settings = load(tmp_path, "problem: sphere\noptimizer: hgs\ncluster: auto\nstop:\ncheckpoint:\n")
    assert settings == load(tmp_path, "problem: {type: sphere}\noptimizer: {type: hgs}\ncluster: {address: auto}")


CHECKPOINT_KEYS = ", ".join(CheckpointSettings.model_fields)


@pytest.mark.parametrize(
    "text", [FULL, "problem: {type: 'my_module:Class', rate: '1e5', when: 'no', deep: {a: [1, x]}}"]
)
def test_settings_written_as_yaml_read_back_equal(tmp_path: Path, text: str) -> None:
    settings = load(tmp_path, text)
    assert load(tmp_path, settings.to_yaml()) == settings
    assert settings_from_mapping(settings.to_mapping()) == settings


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("problem: x\n\nstop: {generatoins: 3}", 3, 'stop.generatoins: unknown key, did you mean "generations"?'),
        ("problem: x\nsed: 3", 2, 'sed: unknown key, did you mean "seed"?'),
        ("problem: x\ntime: 3", 2, 'time: unknown key here, did you mean "stop.time"?'),
        ("problem: x\nstop: {workers: 3}", 2, 'stop.workers: unknown key here, did you mean "workers" at the top?'),
        ("problem: x\ncheckpoint: {zzz: 3}", 2, f"checkpoint.zzz: unknown key, expected one of {CHECKPOINT_KEYS}"),
        ("problem: x\ncheckpoint: {journal: 3}", 2, "checkpoint.journal: expected true, false or auto, found 3"),
        ("problem: x\ncheckpoint: {compression: gz}", 2, 'checkpoint.compression: expected none or zstd, found "gz"'),
        ("problem: x\ncheckpoint:\n  interval: ten", 3, f'checkpoint.interval: {POSITIVE}, found "ten"'),
        ("problem: x\ncheckpoint: {interval: 0}", 2, f"checkpoint.interval: {POSITIVE}, found 0"),
        ("problem: x\ncheckpoint: {interval: 1.5}", 2, f"checkpoint.interval: {POSITIVE}, found 1.5"),
        ("problem: x\nstop: {generations: true}", 2, f"stop.generations: {POSITIVE}, found true"),
        ("problem: x\nstop: {target: [1]}", 2, "stop.target: expected a number, found a list"),
        ("problem: x\nstop: {target: .nan}", 2, "stop.target: expected a number, found nan"),
        ("problem: x\nstop: {time: -1}", 2, f"stop.time: {SECONDS}, found -1"),
        ("problem: x\nseed: -1", 2, f"seed: {SEED}, found -1"),
        ("problem: x\nseed: 9223372036854775808", 2, f"seed: {SEED}, found 9223372036854775808"),
        ("problem: x\nworkers: many", 2, f'workers: {WORKERS}, found "many"'),
        ("problem: x\nworkers: -2", 2, f"workers: {WORKERS}, found -2"),
        (
            "problem: x\nfault_tolerance: {on_cluster_loss: pray}",
            2,
            'fault_tolerance.on_cluster_loss: expected one of local, wait, stop, found "pray"',
        ),
        ("problem: x\nstop: 100", 2, "stop: expected a mapping, found 100"),
        ("problem:\n  instance: x.vrp", 1, "problem.type: missing, expected a built-in name or module:Class"),
        ("problem: {type: 3}", 1, "problem.type: expected a name, found 3"),
        ("seed: 1", None, "problem: missing, expected {type: ...}"),
        ("problem: x\nseed: 1\nseed: 2", 3, "seed: given twice, first on line 2"),
        ("problem:\n  type: x\n  rate: 1\n  rate: 2", 4, "problem.rate: given twice, first on line 3"),
        ("problem:\n\ttype: x", 2, "expected spaces, found a tab (YAML does not allow tabs for indentation)"),
        ("problem: x\n---\nseed: 1", 2, "expected one document, found a second one after ---"),
        (
            "problem: !!python/object/apply:os.abort []",
            1,
            "expected plain values, found the tag !!python/object/apply:os.abort",
        ),
        ("problem: \x07", None, "expected text, found the control character U+0007"),
        ("? [a]\n: 1", 1, "expected a word as a key, found a list or mapping"),
        ("", None, "empty, expected at least problem: {type: ...}"),
        ("# nothing\n", None, "empty, expected at least problem: {type: ...}"),
        ("- problem", None, "expected a mapping with the key problem, found a list"),
        ("hello", None, 'expected a mapping with the key problem, found "hello"'),
        (b"problem: x\nseed: \xff", 2, "expected a YAML text in UTF-8, found other bytes"),
        ("[" * 5000, None, "nested too deeply, expected at most 50 levels"),
        ("a: &a [*a]", 1, "nested too deeply, expected at most 50 levels"),
    ],
)
def test_a_wrong_file_gets_one_line_with_field_expected_and_found(
    tmp_path: Path, text: str | bytes, line: int | None, expected: str
) -> None:
    where = "problem.yaml" if line is None else f"problem.yaml, line {line}"
    assert mistake(tmp_path, text) == f"{where}: {expected}"


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    assert mistake(tmp_path, "problem: x\nstop: {time: 3").startswith("problem.yaml, line 2: not valid YAML: ")


def test_every_mistake_is_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    lines = mistake(tmp_path, "workers: many\nproblem: x\nseed: one\nchekpoint: {}").splitlines()
    assert [line.split(": ")[1] for line in lines] == ["workers", "seed", "chekpoint"]


def test_aliases_that_stand_for_millions_of_values_are_refused_at_once(tmp_path: Path) -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
    assert "too large, expected at most 100000 values" in mistake(tmp_path, text)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml: no such file$"):
        load_settings(tmp_path / "nowhere.yaml")
    with pytest.raises(SettingsError, match=r"expected a settings file .*, found a folder"):
        load_settings(tmp_path)


def test_a_mapping_from_python_is_checked_alike_and_named_by_its_source() -> None:
    with pytest.raises(SettingsError, match=r'^settings: stop\.tiem: unknown key, did you mean "time"\?$'):
        settings_from_mapping({"problem": {"type": "x"}, "stop": {"tiem": 3}})
    with pytest.raises(SettingsError, match=r'^run\.msgpack: seed: expected .*, found "one"$'):
        settings_from_mapping({"problem": {"type": "x"}, "seed": "one"}, source="run.msgpack")


def test_parameters_that_are_no_data_are_refused_when_settings_are_written() -> None:
    settings = settings_from_mapping({"problem": {"type": "x", "deep": {"list": [1, object()]}}})
    with pytest.raises(SettingsError, match=r"^problem\.deep\.list\[1\]: expected plain data"):
        settings.to_mapping()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e5", 100000.0), ("1e-3", 0.001), ("1.5", 1.5), (".5", 0.5), ("-2", -2), ("010", 10), ("0x10", 16),
        ("12:30", "12:30"), ("no", "no"), ("on", "on"), ("true", True), ("2026-01-01", "2026-01-01"), ("~", None),
        (".inf", float("inf")), ("1e", "1e"), ("e5", "e5"), ("'1e5'", "1e5"),
    ],
)  # fmt: skip
def test_scalars_are_read_as_people_mean_them(text: str, value: Any) -> None:
    parsed = strict_yaml.parse(f"a: {text}", "f").value["a"]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60", 60.0), (60, 60.0), (0.5, 0.5), ("1e2", 100.0), ("90s", 90.0), ("10m", 600.0), ("10 min", 600.0),
     ("2h", 7200.0), ("1h30m", 5400.0), ("1d 2h", 93600.0), ("1.5m", 90.0), ("", None), ("s", None), ("..s", None),
     ("3 weeks", None), (True, None), (None, None), ("nan", None), ("30m1h", None)],
)  # fmt: skip
def test_durations_take_a_unit(text: Any, seconds: float | None) -> None:
    assert parse_seconds(text) == seconds


@given(st.one_of(st.integers(), st.floats(), st.text(max_size=8), st.booleans(), st.none()))
def test_a_whole_number_is_never_rounded(value: Any) -> None:
    whole = parse_whole(value)
    if isinstance(value, bool) or value is None:
        assert whole is None
    elif whole is not None:
        assert whole == (
            value
            if not isinstance(value, str)
            else float(value)
            if "." in value or "e" in value.lower()
            else int(value)
        )


PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(st.characters(codec="utf-8"), max_size=12),
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(alphabet="abcxyz_0", min_size=1, max_size=5).map(lambda s: "k" + s), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abc"), PLAIN, min_size=1))
def test_what_is_written_reads_back_the_same(value: dict[str, Any]) -> None:
    assert strict_yaml.parse(strict_yaml.dump(value), "f").value == value


def test_safe_yaml_readers_can_read_what_is_written() -> None:
    settings = settings_from_mapping({"problem": {"type": "cvrp", "instance": "a.vrp"}, "stop": {"time": 1e6}})
    assert yaml.safe_load(settings.to_yaml())["stop"]["time"] == 1e6
