"""Files that are read are never written: pidfile, sockets and logs against each other and the application."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fapws.settings.ini import ConfigError, read

APPLICATION = "[app:blog]\nscript = blog.py\nlisten = {listen}\naccess_log = {access_log}\n"


def mistakes(
    directory: Path, master: str, listen: str = ":0", access_log: str = "off", more: str = ""
) -> list[str]:
    (directory / "blog.py").write_text("application = None\n")
    ini = directory / "fapws.ini"
    pool = APPLICATION.format(listen=listen, access_log=access_log)
    ini.write_text(f"[fapws]\n{master}\n{pool}{more}")
    try:
        read(str(ini))
    except ConfigError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize("key", ["pidfile", "control", "error_log"])
@pytest.mark.parametrize(
    ("path", "what"),
    [("fapws.ini", "this configuration file"), ("blog.py", "the application's file of [app:blog]")],
)
def test_a_file_that_is_read_is_not_written(tmp_path: Path, key: str, path: str, what: str) -> None:
    (found,) = mistakes(tmp_path, f"{key} = {path}")
    assert found.endswith(f"{tmp_path}/{path} is {what}, which is only read"), found
    assert found.startswith(f"{tmp_path}/fapws.ini:2: [fapws]"), found


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_is_the_file_that_it_leads_to(tmp_path: Path, link: object) -> None:
    (tmp_path / "blog.py").write_text("")
    link(tmp_path / "blog.py", tmp_path / "pid")  # type: ignore[operator]
    (found,) = mistakes(tmp_path, "pidfile = pid")
    assert "is the application's file" in found


def test_a_module_is_looked_for_in_the_directory(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "wsgi.py").write_text("")
    more = "[app:shop]\napp = shop.wsgi:application\ndirectory = .\nlisten = :0\n"
    (found,) = mistakes(tmp_path, "pidfile = shop/wsgi.py", more=more)
    assert "is the application's file of [app:shop]" in found


@pytest.mark.parametrize(
    ("master", "listen", "access_log", "what"),
    [
        ("pidfile = x\nerror_log = x", ":0", "off", "x is pidfile already"),
        ("pidfile = x\ncontrol = ./x", ":0", "off", "x is pidfile already"),
        ("control = x", "unix:x", "off", "x is control already"),
        ("pidfile = x", ":0", "x", "x is pidfile already"),
        ("error_log = x", "unix:x", "off", "x is error_log already"),
    ],
)
def test_one_place_is_one_setting_s(
    tmp_path: Path, master: str, listen: str, access_log: str, what: str
) -> None:
    (found,) = mistakes(tmp_path, master, listen, access_log)
    assert found.endswith(what), found


def test_several_logs_may_be_one_file(tmp_path: Path) -> None:
    more = "[app:shop]\nscript = blog.py\nlisten = :0\naccess_log = log\n"
    assert mistakes(tmp_path, "error_log = log", access_log="log", more=more) == []
