import signal

from tests.cli.conftest import Shell, fill, stop_in_mid_copy
from tests.conftest import StartMachine
from vmsnap_tui.lab.machines import Machine


async def _killed_backup(shell: Shell, web: Machine, how: signal.Signals) -> int:
    await fill(web, mebibytes=2)
    process = await shell.start(
        "backup", "web-01", "--speed", "256K", "--json", machine=web
    )
    await stop_in_mid_copy(process, how)
    await process.communicate()
    assert process.returncode is not None
    return process.returncode


async def test_a_killed_backup_is_finished(shell: Shell, machine: StartMachine) -> None:
    web = await machine()
    assert await _killed_backup(shell, web, signal.SIGKILL) == -signal.SIGKILL
    (job,) = await web.lab.execute("query-block-jobs")

    read = await shell.run("recover", "--dry-run", "--json", machine=web)
    assert read.code == 0
    (left,) = read.document
    assert left["vm"] == "web-01" and left["will"] and not left["alive"]
    assert job["device"] == f"vmsnap-{left['operation']}-vda"
    refused = await shell.run("recover", "--json", machine=web)
    assert refused.code == 4 and refused.document == read.document
    assert len(await web.lab.execute("query-block-jobs")) == 1

    await web.lab.execute("block-job-set-speed", device=job["device"], speed=0)
    done = await shell.run("recover", "--yes", "--json", machine=web)
    assert done.code == 0
    assert done.document[0]["outcome"] in {"done", "failed-and-undone"}
    assert await web.lab.execute("query-jobs") == []
    assert (await shell.run("recover", "--json", machine=web)).document == []
    assert (await shell.run("backup", "web-01", machine=web)).code == 0


async def test_a_lost_line_leaves_the_jobs_to_qemu(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    assert await _killed_backup(shell, web, signal.SIGHUP) == 129
    (job,) = await web.lab.execute("query-block-jobs")
    assert job["status"] == "running"


async def test_the_same_machine_may_be_named_otherwise(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    await _killed_backup(shell, web, signal.SIGKILL)
    (job,) = await web.lab.execute("query-block-jobs")
    await web.lab.execute("block-job-set-speed", device=job["device"], speed=0)
    plainly = f"qmp://{web.qmp_path}"
    done = await shell.run("--connect", plainly, "recover", "--yes", "--json")
    assert done.code == 0 and done.document[0]["outcome"] is not None
    assert await web.lab.execute("query-jobs") == []


async def test_what_a_dead_machine_left_is_taken_back(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    await _killed_backup(shell, web, signal.SIGKILL)
    await web.kill()
    done = await shell.run("recover", "--yes", "--json", machine=web)
    assert done.code == 0
    assert done.document[0]["outcome"] == "failed-and-undone"
    assert list((shell.repository / "tmp").iterdir()) == []
    assert (await shell.run("points", "--json")).document == []


async def test_an_unknown_operation_is_10(shell: Shell, machine: StartMachine) -> None:
    said = await shell.run("recover", "nobody", "--yes", machine=await machine())
    assert said.code == 10


async def test_the_next_backup_settles_the_interrupted_one_first(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    await _killed_backup(shell, web, signal.SIGKILL)
    (job,) = await web.lab.execute("query-block-jobs")
    await web.lab.execute("block-job-set-speed", device=job["device"], speed=0)
    read = await shell.run("backup", "web-01", "--dry-run", machine=web)
    assert read.code == 4 and "recover" in read.err
    done = await shell.run("backup", "web-01", "--json", machine=web)
    assert done.code == 0, done.err
    assert done.document["level"] == "incremental"
    points = await shell.run("points", "--json", machine=web)
    assert len(points.document) == 2
