from tests.cli.conftest import Shell
from tests.conftest import StartMachine


async def test_a_sound_point_is_said_to_be_and_remembered(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    made = (await shell.run("backup", "web-01", "--json", machine=web)).document
    said = await shell.run("verify", made["point"], "--json")
    assert said.code == 0
    assert said.document["outcome"] == "done" and said.document["level"] == 2
    (disk,) = said.document["disks"]
    assert disk["sha256"] == made["disks"][0]["sha256"] and disk["bytes"] > 0
    (listed,) = (await shell.run("points", "--json")).document
    assert listed["verified"]["level"] == 2 and listed["verified"]["ok"]


async def test_a_flipped_byte_is_found(shell: Shell, machine: StartMachine) -> None:
    web = await machine()
    made = (await shell.run("backup", "web-01", "--json", machine=web)).document
    (stored,) = shell.repository.glob("vms/*/points/*/disk-vda.qcow2")
    data = bytearray(stored.read_bytes())
    data[-1] ^= 1
    stored.write_bytes(data)
    said = await shell.run("verify", made["point"], "--json")
    assert said.code == 4 and said.document["outcome"] == "damaged"
    assert said.told[-1]["kind"] == "damaged" and said.document["findings"]


async def test_an_unknown_point_is_10(shell: Shell, machine: StartMachine) -> None:
    await shell.run("backup", "web-01", machine=await machine())
    said = await shell.run("verify", "20200101T000000Z-00000000")
    assert said.code == 10 and "no such point" in said.err
