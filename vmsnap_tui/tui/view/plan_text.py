"""A plan as the operator reads it before anything happens."""

from pathlib import PurePosixPath

from vmsnap_tui.plan.plan import DiskPlan, Estimates, Plan
from vmsnap_tui.plan.requests import RestoreRequest
from vmsnap_tui.plan.steps import CreateTarget, PublishFiles, RestoreDisk
from vmsnap_tui.text import visible
from vmsnap_tui.tui.view.paragraphs import (
    BLANK,
    Page,
    Paragraph,
    heading,
    joined,
    labelled,
    said,
    warning,
)
from vmsnap_tui.tui.view.spans import Line, Tone
from vmsnap_tui.units import format_bytes, format_duration

Commands = tuple[tuple[str, ...], ...]


def plan_page(plan: Plan) -> Page:
    """Warnings first, then disks, room, the four promises, and every step."""
    warnings = [warning(text) for text in plan.warnings]
    return (
        *warnings,
        *([BLANK] if warnings else []),
        *(part for disk in plan.disks for part in _disk(plan, disk)),
        BLANK,
        *([labelled("room", room_line(plan.estimates))] if plan.undoable else []),
        *_promises(plan),
        BLANK,
        heading("1 step" if len(plan.steps) == 1 else f"{len(plan.steps)} steps"),
        *_steps(plan),
    )


def commands_page(plan: Plan, commands: Commands) -> Page:
    """Each step with the very commands it sends; steps of our own say so."""
    rows: list[Paragraph] = []
    for number, step in enumerate(plan.steps, start=1):
        lead = said(f" {number:>3}  ", Tone.MUTED)
        rows.append(Paragraph(lead, said(step.describe(), Tone.STRONG)))
        lines = commands[number - 1] if number <= len(commands) else ()
        rows += [Paragraph(said("      "), said(text)) for text in lines]
        if not lines:
            note = said("done by vmsnap-tui itself", Tone.MUTED)
            rows.append(Paragraph(said("      "), note))
    return tuple(rows)


def commands_text(plan: Plan, commands: Commands) -> str:
    """The commands as a script's text: steps as comments, commands as lines."""
    lines = [f"# {visible(plan.title)}"]
    for number, step in enumerate(plan.steps, start=1):
        lines.append(f"# {number}. {visible(step.describe())}")
        lines += commands[number - 1] if number <= len(commands) else ()
    return "\n".join(lines) + "\n"


def room_line(room: Estimates) -> Line:
    """What is written against what is free, and how long the guest stands still."""
    parts = [said(f"at most {format_bytes(room.bytes)} to write")]
    if room.free_bytes is not None:
        fits = room.bytes <= room.free_bytes
        free = f"{format_bytes(room.free_bytes)} free"
        parts.append(said(free) if fits else said(f"only {free}", Tone.ALARM))
    if room.seconds is not None:
        parts.append(said(f"about {format_duration(room.seconds)}"))
    if room.freeze_window_s is not None:
        window = format_duration(room.freeze_window_s)
        parts.append(said(f"frozen for about {window}", Tone.FROZEN))
    return joined(parts, " · ")


def _disk(plan: Plan, disk: DiskPlan) -> list[Paragraph]:
    name = said(f" {disk.target}".ljust(13) + " ", Tone.STRONG)
    size = said(f"about {format_bytes(disk.estimated_bytes)}")
    level = said(disk.level, Tone.STRONG)
    rows = [Paragraph(name, joined([level, size, said(disk.reason, Tone.MUTED)]))]
    if disk.before and isinstance(plan.request, RestoreRequest):
        rows.append(labelled("  from", _stored_chain(plan, disk)))
    elif disk.before:
        rows.append(labelled("  now", _chain(disk.before)))
    after = _after(plan, disk)
    if after:
        rows.append(labelled("  after", after))
    return rows


def _chain(files: tuple[str, ...]) -> Line:
    """The active image by its path, those below it by name where they lie beside it."""
    home = PurePosixPath(files[0]).parent
    images = [said(files[0]), *(said(_beside(home, file)) for file in files[1:])]
    images[0] += said(" active", Tone.MUTED)
    if len(images) > 1:
        images[-1] += said(" base", Tone.MUTED)
    return joined(images, " → ")


def _stored_chain(plan: Plan, disk: DiskPlan) -> Line:
    """Files of the repository by point and name: that is what tells them apart."""
    return joined([said(_in_point(plan, file)) for file in disk.before], " over ")


def _in_point(plan: Plan, file: str) -> str:
    path = PurePosixPath(file)
    if not path.is_relative_to(plan.repository):
        return file
    return "/".join(path.parts[-2:])


def _beside(home: PurePosixPath, file: str) -> str:
    path = PurePosixPath(file)
    return path.name if path.parent == home else file


def _after(plan: Plan, disk: DiskPlan) -> Line:
    """What stands when the plan is done, read off its own steps."""
    for step in plan.steps:
        if isinstance(step, CreateTarget) and step.target == disk.target:
            over = f" over {step.backing}" if step.backing else ""
            return said("the same chain, and ") + said(
                f"+ {step.file}{over}", Tone.GOOD
            )
        if isinstance(step, RestoreDisk) and step.target == disk.target:
            return said(f"+ {_published(plan, step.partial)}", Tone.GOOD)
    return ()


def _published(plan: Plan, partial: str) -> str:
    """The name that a file gets when it is whole."""
    for step in plan.steps:
        if isinstance(step, PublishFiles):
            return dict(step.files).get(partial, partial)
    return partial


def _promises(plan: Plan) -> list[Paragraph]:
    """The questions that an operator always has, answered."""
    texts = {
        "guest": plan.guest_effect,
        "if you leave": plan.if_you_leave,
        "if it breaks": plan.if_it_breaks,
        "afterwards": plan.afterwards,
    }
    return [labelled(label, said(text)) for label, text in texts.items() if text]


def _steps(plan: Plan) -> list[Paragraph]:
    rows: list[Paragraph] = []
    for index, step in enumerate(plan.steps):
        if index == plan.commit_index and plan.undoable:
            note = "from here it only goes forward; broken before, it is undone"
            rows.append(Paragraph(said("      "), said(note, Tone.MUTED)))
        number = said(f" {index + 1:>3}  ", Tone.MUTED)
        rows.append(Paragraph(number, said(step.describe())))
    return rows
