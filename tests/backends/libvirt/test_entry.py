"""What is kept of a domain between readings is never older than it is said to be."""

from dataclasses import replace

from tests.backends.libvirt.domain_texts import RUNNING_9_0
from vmsnap_tui.backends.libvirt.asking import Asked, Sight, Tally
from vmsnap_tui.backends.libvirt.checkpoint_xml import CheckpointXml, TrackedDisk
from vmsnap_tui.backends.libvirt.domain_xml import parse_domain
from vmsnap_tui.backends.libvirt.entry import Entry, Tidings
from vmsnap_tui.backends.libvirt.job_facts import JobFacts
from vmsnap_tui.backends.libvirt.portrait import NOT_YET, Size, portrait
from vmsnap_tui.model.checkpoint import Checkpoint, Record
from vmsnap_tui.model.job import JobStatus
from vmsnap_tui.model.vm import Capabilities, Vm

_WEB = parse_domain(RUNNING_9_0)
_COPY = JobFacts({}, block={"vda": {"type": 2, "cur": 1, "end": 2}})


def _draw(entry: Entry) -> Vm:
    return portrait(
        entry.definition,
        entry.state,
        entry.known,
        entry.jobs,
        "x",
        Capabilities((0,) * 3),
    )


def _entry() -> Entry:
    return Entry(_WEB, (1, 1), 1)


def _asked(name: str, dirty_bytes: int | None, not_asked: str = "") -> Asked:
    checkpoint = Checkpoint(name, "", ("vda",))
    disks = (TrackedDisk("vda", name, dirty_bytes),)
    return Asked(CheckpointXml(checkpoint, disks), not_asked)


def _sight(*asked: Asked, sizes: dict[tuple[str, str], Size] | None = None) -> Sight:
    return Sight(_WEB, (1, 1), JobFacts({}), asked, (), sizes, {})


def _tally(*asked: Asked) -> Tally:
    return Tally(JobFacts({}), asked, None, {})


def test_what_is_heard_after_the_question_makes_the_answer_stale() -> None:
    tidings = Tidings()
    asked_at = tidings.now
    assert not tidings.since(asked_at, "a")
    tidings.hear("a")
    assert tidings.since(asked_at, "a")
    assert not tidings.since(asked_at, "b")
    assert not tidings.since(tidings.now, "a")


def test_what_was_missed_makes_every_answer_stale() -> None:
    tidings = Tidings()
    asked_at = tidings.now
    tidings.miss()
    assert tidings.since(asked_at, "a")
    assert not tidings.since(tidings.now, "a")


def test_of_those_that_are_gone_nothing_is_kept() -> None:
    tidings = Tidings()
    asked_at = tidings.now
    tidings.hear("a")
    tidings.hear("b")
    tidings.keep({"a"})
    assert tidings.since(asked_at, "a")
    assert not tidings.since(asked_at, "b")


def test_an_unchanged_machine_is_the_same_object() -> None:
    entry = _entry()
    first = entry.vm(_draw)
    entry.see((1, 1))
    entry.define(parse_domain(RUNNING_9_0), 2)
    entry.take_jobs(JobFacts({}), 2)
    assert entry.vm(_draw) is first
    entry.see((3, 5))
    assert entry.vm(_draw) is not first


def test_another_run_has_none_of_the_jobs() -> None:
    entry = _entry()
    entry.take_jobs(_COPY, 5)
    assert (entry.jobs_at, len(entry.jobs)) == (5, 1)
    entry.define(replace(_WEB, domain_id=8), 6)
    assert (entry.jobs_at, entry.jobs) == (0, ())


def test_a_machine_that_went_off_has_no_jobs() -> None:
    entry = _entry()
    entry.take_jobs(_COPY, 5)
    entry.see((5, 1))
    assert entry.jobs == ()
    assert not entry.active


def test_a_job_is_ready_as_an_event_or_the_definition_says() -> None:
    entry = _entry()
    entry.note_ready("vda", ready=True)
    both = JobFacts({}, block={t: {"type": 2} for t in ("vda", "vdb")})
    entry.take_jobs(both, 1)
    assert [job.status for job in entry.jobs] == [JobStatus.READY, JobStatus.READY]
    entry.note_ready("vda", ready=False)
    entry.take_jobs(both, 2)
    assert [job.status for job in entry.jobs] == [JobStatus.RUNNING, JobStatus.READY]


def test_where_nothing_could_be_asked_the_last_known_stands_and_is_no_proof() -> None:
    entry = _entry()
    size = {("vda", "/img/web.s2"): Size(64, 8)}
    entry.look(_sight(_asked("cp1", 4096), sizes=size))
    entry.look(_sight(_asked("cp1", None, "a job runs")))
    assert entry.known is not None
    record = Record("cp1", 4096, "a job runs", asked=False)
    assert entry.known.records == {"vda": (record,)}
    assert entry.known.sizes == size


def test_sizes_of_images_that_left_the_chain_are_forgotten() -> None:
    entry = _entry()
    entry.look(_sight(sizes={("vda", "/img/old"): Size(64, 8)}))
    assert entry.known is not None
    assert entry.known.sizes == {}


def test_a_count_of_one_leaves_what_was_counted_of_the_others() -> None:
    entry = _entry()
    entry.look(_sight(_asked("cp1", 4096), _asked("cp2", 0)))
    entry.count(7, _tally(_asked("cp1", None, NOT_YET), _asked("cp2", 8192)))
    assert entry.known is not None
    assert entry.known.records["vda"] == (Record("cp1", 4096), Record("cp2", 8192))
    entry.count(8, _tally(_asked("cp1", None, NOT_YET), _asked("cp2", 1)))
    first, second = entry.known.records["vda"]
    assert (first.asked, first.broken) == (False, NOT_YET)
    assert second == Record("cp2", 1)


def test_a_count_knows_all_checkpoints_though_nobody_looked() -> None:
    entry = _entry()
    entry.count(7, _tally(_asked("cp1", None, NOT_YET)))
    assert entry.known is not None
    assert [c.name for c in entry.known.checkpoints or ()] == ["cp1"]


def test_a_count_that_a_job_kept_from_asking_leaves_all_as_it_was() -> None:
    entry = _entry()
    entry.look(_sight(_asked("cp1", 4096)))
    before = entry.known
    entry.count(7, Tally(JobFacts({}), None, None, {}))
    assert entry.known is before


def test_records_in_doubt_stand_until_they_are_asked_for_again() -> None:
    entry = _entry()
    entry.doubt_records()
    assert entry.known is None
    entry.look(_sight(_asked("cp1", 4096)))
    first = entry.vm(_draw)
    assert first.disks[0].records_known
    entry.doubt_records()
    doubted = entry.vm(_draw).disks[0]
    assert (doubted.records, doubted.records_known) == (first.disks[0].records, False)
    entry.count(7, Tally(JobFacts({}), None, None, {}))
    assert not entry.vm(_draw).disks[0].records_known
    entry.count(7, _tally(_asked("cp1", 4096)))
    assert entry.vm(_draw).disks[0].records_known


def test_records_of_another_run_are_in_doubt() -> None:
    entry = _entry()
    entry.look(_sight(_asked("cp1", 4096)))
    entry.define(replace(_WEB, domain_id=8), 2)
    disk = entry.vm(_draw).disks[0]
    assert [r.asked for r in disk.records or ()] == [False]
    assert not disk.records_known
