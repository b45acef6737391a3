from tests.cli.conftest import Shell
from tests.conftest import StartMachine
from vmsnap_tui.lab.machines import Machine


async def _crashed(shell: Shell, web: Machine) -> None:
    """A backup, a clean stop that stores its bitmap, and then a crash."""
    assert (await shell.run("backup", "web-01", machine=web)).code == 0
    await web.stop()
    await web.start()
    await web.kill()
    await web.start()


async def test_broken_bitmaps_are_removed_and_the_next_backup_is_told(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    await _crashed(shell, web)
    found = await shell.run("doctor", "web-01", machine=web)
    assert "inconsistent-bitmap" in found.out
    assert "`vmsnap-tui repair web-01`" in found.out

    read = await shell.run("repair", "web-01", "--dry-run", "--json", machine=web)
    assert read.code == 0
    assert read.document["disks"][0]["level"] == "next: full"
    assert "block-dirty-bitmap-remove" in read.document["commands"][0][0]

    refused = await shell.run("repair", "web-01", machine=web)
    assert refused.code == 4 and "--yes" in refused.err

    done = await shell.run("repair", "web-01", "--yes", "--json", machine=web)
    assert (done.code, done.document["outcome"]) == (0, "done")
    again = await shell.run("repair", "web-01", "--yes", "--json", machine=web)
    assert (again.code, again.document["outcome"]) == (0, "nothing")


async def test_what_cannot_be_repaired_is_refused_with_the_reason(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    node = (await web.lab.execute("query-block"))[0]["inserted"]["node-name"]
    await web.lab.execute("block-dirty-bitmap-add", node=node, name="theirs")
    assert (await shell.run("backup", "web-01", machine=web)).code == 0
    refused = await shell.run(
        "repair", "web-01", "--checkpoint", "theirs", "--yes", machine=web
    )
    assert refused.code == 4 and "never touched" in refused.err
    unknown = await shell.run(
        "repair", "web-01", "--checkpoint", "nobody", "--yes", machine=web
    )
    assert unknown.code == 10
