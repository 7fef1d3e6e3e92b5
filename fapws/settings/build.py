"""Sections and entries to a checked Config; collects every problem before it gives up.

A pool's value comes from, the later the stronger: the table's default, the script's SERVER,
MAX_BODY_SIZE and DEBUG (fapws4) or its start() (fapws3), ``[fapws]``, the pool's own section, the
command line.
"""

from __future__ import annotations

import os

from fapws.lean import Any, Mapping
from fapws.settings import options
from fapws.settings.addresses import ANY_IPV4, DEFAULT_PORT, parse_address, parse_server, same_place
from fapws.settings.environment import Environment
from fapws.settings.files import clashes, own_addresses
from fapws.settings.identity import UnknownIdentity, find_user, identity
from fapws.settings.model import Address, Config, Limits, Pool, ScriptSettings, split_callable
from fapws.settings.options import MASTER_OPTIONS, POOL_OPTIONS, SHARED_OPTIONS, Option
from fapws.settings.problems import ConfigError, Problem
from fapws.settings.scan import Entry, Scan, Section
from fapws.settings.values import nearest

MASTER_SECTION = "fapws"
_POOL_PREFIX = "app:"
_ENV_SUFFIX = ":env"
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")
_ONE_POOL_ONLY = frozenset(("app", "script", "listen", "args", "static"))
"""What the command line may say only if there is one pool."""
_FIRST_FREE_PORT = 1024
"""Below, only root may bind."""
_SECTIONS_RULE = "sections are [fapws], [app:NAME] and [app:NAME:env]"

Values = dict[str, Any]


def build(
    found: Scan, file: str, path: str, base_directory: str, overrides: Mapping[str, Any], look: bool = True
) -> Config:
    """The configuration that a scanned file means. Raises ConfigError with all problems.

    file is the name for messages, path what Config.path becomes. overrides (option name to value)
    come from the command line and hold for every pool; app and script come together, one of them empty.
    look: whether scripts are asked for settings of their own.
    """
    return _Builder(found, file, base_directory, overrides, look).config(path)


class _Builder:
    """One pass over the sections; problems gather in self._problems."""

    def __init__(
        self, found: Scan, file: str, base_directory: str, overrides: Mapping[str, Any], look: bool
    ) -> None:
        self._look = look
        self._sections = {section.name: section for section in found.sections}
        self._problems = list(found.problems)
        self._file = file
        self._base = base_directory
        self._overrides = overrides

    def config(self, path: str) -> Config:
        names = self._pool_names()
        master = self._sections.get(MASTER_SECTION, Section(MASTER_SECTION, 0, []))
        values = self._parse_entries(master, {**MASTER_OPTIONS, **SHARED_OPTIONS})
        shared = {name: values.pop(name) for name in list(values) if name in SHARED_OPTIONS}
        if len(names) > 1 and set(self._overrides) & _ONE_POOL_ONLY:
            which = "an APP, -b, --static or -- of the command line could mean any of them"
            message = f"has {len(names)} pools; {which}"
            raise ConfigError([*self._problems, Problem(self._file, 0, "", "", "", message)])
        pools = [self._pool(name, shared) for name in names]
        self._check_places(pools)
        if not pools and not self._problems:
            self._problems.append(
                Problem(
                    self._file,
                    0,
                    "",
                    "",
                    "",
                    "has no [app:NAME] section, so there is nothing to serve",
                )
            )
        if self._problems:
            raise ConfigError(self._problems)
        config = Config(path, tuple(pools), **{**_defaults(MASTER_OPTIONS), **values})
        self._check_own_places(config)
        for clash in clashes(config):
            self._report_setting(clash.pool, clash.key, clash.message)
        if self._problems:
            raise ConfigError(self._problems)
        return config

    # ---- Sections --------------------------------------------------------------------------------

    def _pool_names(self) -> list[str]:
        """The pools in file order; every other section must be known."""
        names = [name[len(_POOL_PREFIX) :] for name in self._sections if _is_pool(name)]
        for name, section in self._sections.items():
            if name == MASTER_SECTION or _is_pool(name):
                continue
            owner = name[: -len(_ENV_SUFFIX)]
            if not (name.endswith(_ENV_SUFFIX) and _is_pool(owner)):
                meant = _nearest_section(name)
                hint = f"did you mean [{meant}]?" if meant and meant != name else _SECTIONS_RULE
                self._report(section, None, f"unknown section, {hint}")
            elif owner not in self._sections:
                self._report(section, None, f"there is no [{owner}] that this environment is for")
        return names

    def _parse_entries(self, section: Section, known: Mapping[str, Option]) -> Values:
        """The values a section sets; a bad one is reported and stands as None."""
        values: Values = {}
        for entry in section.entries:
            option = known.get(entry.key)
            if option is None:
                self._report(section, entry, _unknown_key(entry.key, section.name, list(known)))
            elif entry.key not in self._overrides or section.name == MASTER_SECTION:
                try:
                    values[entry.key] = options.parse(option, entry.value, self._base)
                except ValueError as error:
                    self._report(section, entry, str(error))
                    values[entry.key] = None
        return values

    # ---- Pools -----------------------------------------------------------------------------------

    def _pool(self, name: str, shared: Values) -> Pool:
        section = self._sections[_POOL_PREFIX + name]
        before = len(self._problems)
        given = {**shared, **self._parse_entries(section, POOL_OPTIONS), **self._overrides}
        environment = self._environment(name)
        self._check_application(section, given)
        values = {**_defaults(POOL_OPTIONS), **given}
        if values["max_uri"] and values["max_header_size"] and values["max_uri"] > values["max_header_size"]:
            self._report(
                section,
                None,
                "max_uri is larger than max_header_size, of which the target is a part",
            )
        pool = _make_pool(name, environment, values)
        if type(pool.workers) not in (int, type(None)):
            from fapws.settings.processors import processors

            pool = pool._replace(workers=int(pool.workers), automatic=str(processors()))
        if pool.chroot:
            pool = self._with_inner_spool(section, pool, given)
        self._check_confinement(section, pool)
        if pool.reload == "frugal" and pool.reload_watch:
            text = "reload_watch needs room for one worker more, which reload = frugal does not take"
            self._report_setting(name, "reload_watch", text)
        if pool.script and self._look and len(self._problems) == before:
            pool = self._with_script_settings(section, pool, given)
        return pool

    def _check_confinement(self, section: Section, pool: Pool) -> None:
        # None: the value was bad and has been reported.
        if None in (pool.user, pool.group, pool.chroot):
            return
        try:
            wanted = identity(pool.user, pool.group)
        except UnknownIdentity as error:
            self._report(section, None, str(error))
            return
        if pool.chroot and (wanted is None or wanted.uid == 0):
            self._report(section, None, "chroot needs a user other than root, who could leave it again")
        if pool.chroot and pool.autoreload:
            self._report(section, None, "autoreload cannot see the source files from inside chroot")
        for _, folder in (pool.chroot and pool.static) or ():
            if os.path.commonpath((folder, pool.chroot)) != pool.chroot:
                self._report(section, None, f"static: {folder} must lie inside chroot, {pool.chroot}")
        types = pool.static_types
        if pool.chroot and types and os.path.commonpath((types, pool.chroot)) != pool.chroot:
            self._report(section, None, f"static_types: {types} must lie inside chroot, {pool.chroot}")

    def _with_inner_spool(self, section: Section, pool: Pool, given: Values) -> Pool:
        """The spool directory that a worker below chroot can reach."""
        if "spool_directory" in given:
            place = pool.spool_directory or pool.chroot  # None: bad, and has been reported
            if os.path.commonpath((place, pool.chroot)) != pool.chroot:
                self._report(section, None, f"spool_directory must lie inside chroot, {pool.chroot}")
            return pool
        inner = os.path.join(pool.chroot, "tmp")
        try:
            options.parse(POOL_OPTIONS["spool_directory"], inner, "/")
        except ValueError as error:
            self._report(section, None, f"chroot needs a tmp inside, or a spool_directory: {error}")
        return pool._replace(spool_directory=inner)

    def _environment(self, name: str) -> Environment:
        section = self._sections.get(_POOL_PREFIX + name + _ENV_SUFFIX)
        pairs: list[tuple[str, str]] = []
        for entry in section.entries if section else ():
            if not all(character.isprintable() and character != " " for character in entry.key):
                self._report(section, entry._replace(value=""), "the name of a variable has no blanks")
            elif "\0" in entry.value:
                self._report(section, entry._replace(value=""), "must not contain a zero byte")
            else:
                pairs.append((entry.key, entry.value))
        return Environment(pairs)

    def _check_application(self, section: Section, given: Values) -> None:
        # A value of None was bad and has been reported.
        named = [key for key in ("app", "script") if given.get(key, "") != ""]
        if not set(section.name[len(_POOL_PREFIX) :]) <= _NAME_CHARACTERS:
            self._report(section, None, "a pool's name has only letters, digits and - . _")
        if not named and given.get("static", ()) == ():
            told = "names no application; set app = module:callable or script = file.py, or static for files"
            self._report(section, None, told)
        elif len(named) == 2:
            self._report(section, None, "app and script are both set; a pool serves one application")

    def _with_script_settings(self, section: Section, pool: Pool, given: Values) -> Pool:
        """What a fapws4 script says about itself, where neither INI nor command line say it."""
        from fapws.compat.script import script_settings

        try:
            settings = script_settings(
                pool.script,
                pool,
                may_run=not {"listen", "max_body_size"} <= set(given),
                alone=sum(map(_is_pool, self._sections)) <= 1,
            )
        except OSError as error:  # no process or descriptor is left
            self._report(section, None, f"cannot look at {pool.script}: {error.strerror}")
            return pool
        script = split_callable(pool.script)[0]
        if settings.unknown:
            missing = [name for name in ("listen", "max_body_size") if name not in given]
            if missing:
                text = f"cannot be asked for {' and '.join(missing)}: {settings.unknown}"
                self._problems.append(Problem(script, 0, "", "", "", text))
            return pool
        if settings.mistake:
            self._problems.append(Problem(script, settings.mistake_line, "", "", "", settings.mistake))
        if settings.debug and "debug" not in given:
            try:
                pool = pool._replace(debug=options.parse(POOL_OPTIONS["debug"], settings.debug, "/"))
            except ValueError as error:
                self._problems.append(Problem(script, 0, "", "DEBUG", settings.debug, str(error)))
        if "listen" not in given:
            try:
                address = _script_address(settings, pool.directory or self._base, os.path.dirname(script))
                _check_rights(address, pool.user)
                pool = pool._replace(listen=(address,)) if address else pool
            except ValueError as error:
                key, text = ("start", settings.start) if settings.start else ("SERVER", settings.server)
                self._problems.append(Problem(script, 0, "", key, text, str(error)))
        if "max_body_size" not in given and settings.max_body_size:
            try:
                size = options.parse(POOL_OPTIONS["max_body_size"], settings.max_body_size, "/")
                pool = pool._replace(limits=pool.limits._replace(max_body_size=size))
            except ValueError as error:
                self._problems.append(
                    Problem(script, 0, "", "MAX_BODY_SIZE", settings.max_body_size, str(error))
                )
        return pool

    def _check_places(self, pools: list[Pool]) -> None:
        """No two listeners, of one pool or of two, may want the same address."""
        taken: dict[tuple[str, ...], str] = {}
        for pool in pools:
            for address in pool.listen or ():
                place = same_place(address)
                if place and place in taken:
                    text = f"{address.text} is already listened on by [app:{taken[place]}]"
                    self._report_setting(pool.name, "listen", text)
                elif place:
                    taken[place] = pool.name

    def _check_own_places(self, config: Config) -> None:
        """The master answers at no address of a pool, and at none twice."""
        places = [(address, f"[app:{pool.name}]") for pool in config.pools for address in pool.listen]
        taken = {same_place(address): owner for address, owner in places if same_place(address)}
        for key, address in own_addresses(config):
            place = same_place(address)
            if place in taken and address.kind == "tcp":  # clashes() looks after files
                self._report_setting("", key, f"{address.text} is already listened on by {taken[place]}")
            if place:
                taken[place] = key

    def _report_setting(self, pool: str, key: str, message: str) -> None:
        """About an option that may stand in the pool's section, in [fapws], or on the command line."""
        names = [_POOL_PREFIX + pool, MASTER_SECTION] if pool else [MASTER_SECTION]
        sections = [self._sections[name] for name in names if name in self._sections]
        for section in sections:
            for entry in section.entries:
                if entry.key == key:
                    self._report(section, entry, message)
                    return
        self._report(sections[0] if sections else None, None, message)

    def _report(self, section: Section | None, entry: Entry | None, message: str) -> None:
        name, line = (section.name, section.line) if section else ("", 0)
        if entry:
            self._problems.append(Problem(self._file, entry.line, name, entry.key, entry.value, message))
        else:
            self._problems.append(Problem(self._file, line, name, "", "", message))


def _is_pool(name: str) -> bool:
    return name.startswith(_POOL_PREFIX) and name.count(":") == 1 and len(name) > len(_POOL_PREFIX)


def _nearest_section(name: str) -> str:
    """``fapws`` for ``fapw``, ``app:blog:env`` for ``ap:blog:environ``; empty: nothing is near."""
    parts = name.split(":")
    if len(parts) == 1:
        return nearest(name, [MASTER_SECTION])
    if len(parts) > 3 or not nearest(parts[0], ["app"]) or not parts[1]:
        return ""
    return ":".join(["app", parts[1], "env"][: len(parts)])


def _unknown_key(key: str, section: str, known: list[str]) -> str:
    if key in MASTER_OPTIONS:
        return "belongs into [fapws]"
    if key in POOL_OPTIONS:
        return "belongs into an [app:NAME] section"
    meant = nearest(key, known)
    return f"unknown key, did you mean {meant}?" if meant else f"unknown key; known are {', '.join(known)}"


def default_pool(name: str) -> Pool:
    """A pool with the default of every option."""
    return _make_pool(name, Environment(), _defaults(POOL_OPTIONS))


def _defaults(table: Mapping[str, Option]) -> Values:
    return {name: options.default_of(option) for name, option in table.items()}


def _make_pool(name: str, environment: Environment, values: Values) -> Pool:
    limits = Limits(**{key: value for key, value in values.items() if key in Limits._fields})
    rest = {key: value for key, value in values.items() if key not in Limits._fields}
    return Pool(name, env=environment, limits=limits, **rest)


def _check_rights(address: Address | None, user: str) -> None:
    """A script's word is its pool's user's: it does not have root bind what that user could not.

    Raises ValueError.
    """
    if address is None or not user or os.geteuid() != 0 or find_user(user)[0] == 0:
        return
    if address.kind != "tcp" or 0 < address.port < _FIRST_FREE_PORT:
        raise ValueError(f"is not user {user}'s to say; set listen in the configuration")


def _script_address(settings: ScriptSettings, working: str, directory: str) -> Address | None:
    """None: the script does not care. A fapws4 script without SERVER listens on all interfaces.

    working: the worker's working directory, directory: the script's.
    """
    if settings.start:
        return parse_address(settings.start, working)
    if settings.server:
        return parse_server(settings.server, directory)
    return parse_address(f"{ANY_IPV4}:{DEFAULT_PORT}", "/") if settings.has_paths else None
