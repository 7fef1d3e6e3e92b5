"""What a master hands over to its successor in an upgrade in place."""

from __future__ import annotations

from support.handed_over import saved

from fapws.supervisor.upgrade import handover


def test_what_is_handed_over_comes_out_as_it_went_in() -> None:
    assert handover.decode(handover.encode(saved())) == saved()


def test_fields_that_a_newer_version_adds_or_drops_do_no_harm() -> None:
    text = handover.encode(saved()).replace('"script_name": "", ', '"no_more": 1, ')
    assert "no_more" in text
    assert handover.decode(text) == saved()


def test_code_that_does_not_know_of_queues_of_slots_refuses_them() -> None:
    plain = saved()
    (key, listener), *_ = plain.open.items()
    split = plain._replace(open={**plain.open, key._replace(owner="blog", slot=1): listener._replace(fd=12)})
    assert '"version": 1' in handover.encode(plain)
    assert '"version": 2' in handover.encode(split), "it would take the queues for one and lose the others"
    assert handover.decode(handover.encode(split)) == split
