from tests.cli.conftest import Shell
from tests.conftest import StartMachine


async def test_points_are_listed_without_a_connection(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    made = [
        (await shell.run("backup", "web-01", "--json", machine=web)).document
        for _ in range(2)
    ]
    said = await shell.run("points", "web-01", "--json")
    assert said.code == 0
    full, increment = said.document
    assert [full["point"], increment["point"]] == [one["point"] for one in made]
    assert (full["vm"], full["uuid"], full["consistency"]) == (
        "web-01",
        web.uuid,
        "vm-paused",
    )
    assert {"seq", "created_utc", "freeze_window_s"} <= set(full)
    assert {"level", "at_utc"} <= set(full["verified"])
    (disk,) = increment["disks"]
    assert (disk["level"], disk["parent"]) == ("incremental", full["point"])
    assert disk["sha256"] == made[1]["disks"][0]["sha256"]
    assert (await shell.run("points", "db-01", "--json")).document == []
    assert full["point"] in (await shell.run("points")).out


async def test_a_damaged_point_is_told_and_hides_no_other(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    first = (await shell.run("backup", "web-01", "--json", machine=web)).document
    second = (await shell.run("backup", "web-01", "--json", machine=web)).document
    (manifest,) = shell.repository.glob(f"vms/*/points/{second['point']}/manifest.json")
    manifest.write_text("{")
    said = await shell.run("points", "--json")
    assert said.code == 3
    assert [row["point"] for row in said.document] == [first["point"]]
    assert second["point"] in said.told_of("warning")[0]["text"]


async def test_no_repository_is_10(shell: Shell) -> None:
    said = await shell.run("points", "--json")
    assert said.code == 10 and said.out == ""
    assert said.told[-1]["evidence"] == str(shell.repository)
