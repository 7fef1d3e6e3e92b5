"""What is not well, said in sentences for the head of the page. Pure."""

from __future__ import annotations

from typing import Any

FULL, NEARLY_FULL = 97.0, 90.0
"""Percent of a disk."""
SCARCE = 95.0
"""Percent of memory that is taken."""
BUSY = 2.0
"""Load of 5 minutes for each processor: shorter peaks are nobody's business."""


def verdict(found: dict[str, Any]) -> list[dict[str, str]]:
    """``level`` (bad: something does not work; warn: it soon may not) and ``text``, bad ones first."""
    troubles = [*_services(found), *_fapws(found["fapws"]), *_disks(found), *_machine(found)]
    return sorted(troubles, key=lambda trouble: trouble["level"])


def _bad(text: str) -> dict[str, str]:
    return {"level": "bad", "text": text}


def _warn(text: str) -> dict[str, str]:
    return {"level": "warn", "text": text}


def _services(found: dict[str, Any]) -> list[dict[str, str]]:
    return [_bad(f"{one['name']} is down") for one in found["services"] if one["up"] is False]


def _fapws(fapws: dict[str, Any]) -> list[dict[str, str]]:
    troubles = []
    if fapws["error"]:
        troubles.append(_warn(f"Fapws does not answer: {fapws['error']}"))
    if fapws["state"] == "degraded":
        for pool in fapws["pools"]:
            if pool["serving"] < pool["workers"] and not pool["asleep"]:
                what = f"{pool['serving']} of {pool['workers']} workers of {pool['name']} serve"
                troubles.append(_bad(what))
    reload = fapws["last_reload"]
    if reload and not reload["ok"]:
        troubles.append(_warn("the last reload of Fapws failed"))
    return troubles


def _disks(found: dict[str, Any]) -> list[dict[str, str]]:
    troubles = []
    for disk in found["disks"]:
        percent = disk["used_percent"] or 0.0
        if percent >= NEARLY_FULL:
            tell = _bad if percent >= FULL else _warn
            troubles.append(tell(f"{disk['mount']} is {percent:.0f} % full"))
    return troubles


def _machine(found: dict[str, Any]) -> list[dict[str, str]]:
    troubles = []
    memory, load, cores = found["memory"], found["load"], found["cores"]
    if memory and (memory["used_percent"] or 0.0) >= SCARCE:
        troubles.append(_warn(f"{memory['used_percent']:.0f} % of memory is taken"))
    if load and cores and load[1] >= BUSY * cores:
        troubles.append(_warn(f"load {load[1]:.1f} on {cores} cores for 5 minutes"))
    for sensor in found["temperatures"]:
        if sensor["high_celsius"] and sensor["celsius"] >= sensor["high_celsius"]:
            troubles.append(_warn(f"{sensor['name']} has {sensor['celsius']:.0f} °C"))
    return troubles
