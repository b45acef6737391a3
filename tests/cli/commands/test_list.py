from tests.cli.conftest import Shell
from tests.conftest import StartMachine
from vmsnap_tui.lab.disks import DiskSpec


async def test_every_machine_is_a_row(shell: Shell, machine: StartMachine) -> None:
    web = await machine(DiskSpec("vda", chain_depth=3), DiskSpec("vdb"))
    said = await shell.run("list", "--json", machine=web)
    assert (said.code, said.err) == (0, "")
    assert said.document == [
        {
            "connection": web.connection,
            "name": "web-01",
            "uuid": web.uuid,
            "state": "paused",
            "disks": 2,
            "chain_depth": 3,
            "jobs": 0,
            "last_point": None,
            "last_point_utc": None,
            "alarms": [],
        }
    ]
    plain = await shell.run("list", machine=web)
    assert plain.out == (
        "VM      STATE   DISKS  CHAIN  JOBS  LAST POINT  ALARMS\n"
        "web-01  paused      2      3     0  never\n"
    )


async def test_a_connection_that_is_down_does_not_hide_the_others(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    down = f"qmp://{shell.state}/nobody.sock"
    said = await shell.run("--connect", down, "list", "--json", machine=web)
    assert said.code == 3
    assert [row["name"] for row in said.document] == ["web-01"]
    assert down in said.told_of("warning")[0]["text"]


async def test_no_connection_at_all_is_8(shell: Shell) -> None:
    said = await shell.run("--connect", "qmp:///nobody.sock", "list", "--json")
    assert (said.code, said.out) == (8, "")
    (error,) = said.told_of("error")
    assert error["kind"] == "no-connection" and error["exit_code"] == 8
    assert error["cause"] and error["evidence"] and error["remedy"]


async def test_no_escape_of_a_name_reaches_the_reader(
    shell: Shell, machine: StartMachine
) -> None:
    hostile = await machine(name="web\x1b]52;c;aGk=\x07")
    plain = await shell.run("list", machine=hostile)
    assert "\x1b" not in plain.out + plain.err and "␛]52;c;aGk=␇" in plain.out
    document = await shell.run("list", "--json", machine=hostile)
    assert "\x1b" not in document.out
