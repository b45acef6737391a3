"""What can be done with a machine here and what cannot, each with its reason."""

from collections.abc import Iterable

from vmsnap_tui.engine.events import ConnectionView
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.view.paragraphs import Paragraph, lay_out, said
from vmsnap_tui.tui.view.spans import Line, Tone, line, span

_NEARLY_ALL = 10
"""So many abilities with one reason are not told one by one."""


_NOT_FROM_HERE = frozenset(
    {
        Ability.SNAPSHOT,
        Ability.SNAPSHOT_OFFLINE,
        Ability.SNAPSHOT_MEMORY,
        Ability.SNAPSHOT_INTERNAL,
        Ability.MERGE,
        Ability.DISCARD,
        Ability.REVERT_EXTERNAL,
        Ability.REVERT_INTERNAL,
        Ability.COPY,
    }
)
"""What a host can and no action asks of it; what it cannot is told all the same."""


def limit_lines(vm: Vm, glyphs: Glyphs, width: int) -> tuple[Line, ...]:
    """First what nothing is in the way of, then what cannot be done, last what to know.

    One reason keeps an ability from being done; what else would is not told.
    """
    refused = {a: found for a in Ability if (found := vm.limit(a))}
    cautions = [c for a in Ability if a not in refused for c in vm.cautions(a)]
    free = [ability for ability in Ability if ability not in refused]
    page = []
    if here := _listed(a for a in free if a not in _NOT_FROM_HERE):
        page.append(Paragraph(said(f"{glyphs.good} ", Tone.GOOD), said(here)))
    if elsewhere := _listed(a for a in free if a in _NOT_FROM_HERE):
        text = said(f"the host can, but not from here yet: {elsewhere}", Tone.MUTED)
        page.append(Paragraph(said(f"{glyphs.dot} ", Tone.MUTED), text))
    page += _grouped(tuple(refused.values()), glyphs.bad, Tone.ALARM)
    page += _grouped(tuple(cautions), glyphs.caution, Tone.CAUTION)
    title = line(span("What can be done here", Tone.STRONG))
    return (title, *lay_out(page, width))


def _grouped(limits: tuple[Limit, ...], sign: str, tone: Tone) -> list[Paragraph]:
    """Abilities with the same reason stand together, in the order they came."""
    by_reason: dict[str, list[Ability]] = {}
    for limit in limits:
        abilities = by_reason.setdefault(limit.sentence, [])
        if limit.ability not in abilities:
            abilities.append(limit.ability)
    return [
        Paragraph(
            said(f"{sign} ", tone),
            (span(_words(abilities), Tone.STRONG), *said(f": {reason}", Tone.MUTED)),
        )
        for reason, abilities in by_reason.items()
    ]


def _words(abilities: list[Ability]) -> str:
    if len(abilities) >= _NEARLY_ALL:
        return "everything but looking"
    return _listed(abilities)


def _listed(abilities: Iterable[Ability]) -> str:
    return ", ".join(map(_word, abilities))


def _word(ability: Ability) -> str:
    return ability.value.replace("-", " ")


def why_read_only(vm: Vm) -> str:
    """Why nothing of the machine may be changed, or nothing: to cancel a job is what
    only a missing right keeps anyone from."""
    limit = vm.limit(Ability.CANCEL_JOB)
    return limit.sentence if limit else ""


def why_connection_read_only(connection: ConnectionView) -> str:
    """The same for a connection; rights are those of the connection, so that any of
    its machines tells."""
    return why_read_only(connection.vms[0]) if connection.vms else ""
