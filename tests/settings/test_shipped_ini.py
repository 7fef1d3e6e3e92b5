"""conf/fapws.ini, the option table and the model say the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fapws.settings import options
from fapws.settings.ini import read
from fapws.settings.model import Config, Limits, Pool

SHIPPED = Path(__file__).parents[2] / "conf" / "fapws.ini"


def test_shipped_file_serves_the_sample() -> None:
    config = read(str(SHIPPED))
    (pool,) = config.pools
    assert (pool.name, [address.text for address in pool.listen]) == ("hello", ["127.0.0.1:8888"])
    assert os.path.samefile(pool.script, SHIPPED.parent / "samples" / "hello" / "hello.py")
    for path in (config.pidfile, config.control, config.error_log):
        assert os.access(os.path.dirname(path), os.W_OK)


def test_every_option_stands_in_it_once() -> None:
    lines = SHIPPED.read_text().split("\n")
    for option in options.OPTIONS:
        starts = (f"{option.name} =", f"#{option.name} =")
        assert len([line for line in lines if line.startswith(starts)]) == 1, option.name


def test_commented_options_are_the_defaults(tmp_path) -> None:
    text = SHIPPED.read_text().replace("\n#", "\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "samples").symlink_to(SHIPPED.parent / "samples")
    (tmp_path / "x.ini").write_text(text)
    with_defaults = read(f"{tmp_path}/x.ini").pools[0]
    shipped = read(str(SHIPPED)).pools[0]
    assert with_defaults._replace(script="", env=()) == shipped._replace(script="")


def test_table_covers_the_model() -> None:
    assert set(options.MASTER_OPTIONS) == set(Config._fields) - {"path", "pools"}
    others = {"name", "env", "limits", "automatic", "traceback_page"}
    fields = (set(Pool._fields) - others) | set(Limits._fields)
    assert set(options.POOL_OPTIONS) == fields


@pytest.mark.parametrize("option", options.OPTIONS, ids=lambda option: option.name)
def test_default_is_valid_and_that_of_the_model(option: options.Option) -> None:
    value = options.parse(option, option.default, "/")
    assert options.parse(option, options.format_value(option, value), "/") == value
    defaults = {**Config._field_defaults, **Pool._field_defaults, **Limits._field_defaults}
    if option.name not in ("listen", "server_header"):  # the model leaves them to the table
        assert value == defaults[option.name]
    assert option.help and option.help == option.help.strip()
