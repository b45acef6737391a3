import signal

from tests.cli.conftest import Shell, fill, stop_in_mid_copy
from tests.conftest import StartMachine


async def test_a_healthy_machine_has_no_findings_and_a_ledger_that_agrees(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    assert (await shell.run("backup", "web-01", machine=web)).code == 0
    said = await shell.run("doctor", "--json", machine=web)
    assert (said.code, said.document["findings"]) == (0, [])
    (ledger,) = said.document["ledgers"]
    assert (ledger["vm"], ledger["disks"]) == ("web-01", ["vda"])
    (row,) = ledger["rows"]
    assert (row["owner"], row["stored"], row["drifts"]) == ("ours", "yes", [])
    assert row["cells"][0]["standing"] == "recording"
    assert ledger["next"][0]["level"] == "incremental"
    text = await shell.run("doctor", "web-01", machine=web)
    assert "next backup of vda: incremental" in text.out
    assert "nothing found" in text.err


async def test_what_a_killed_run_left_is_found_with_its_remedy(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    await fill(web)
    process = await shell.start(
        "backup", "web-01", "--speed", "64K", "--json", machine=web
    )
    await stop_in_mid_copy(process, signal.SIGKILL)
    await process.wait()
    said = await shell.run("doctor", "web-01", "--json", machine=web)
    assert said.code == 3
    found = {finding["kind"]: finding for finding in said.document["findings"]}
    assert "recover" in found["unfinished-operation"]["remedy"]
    assert {"subject", "evidence", "severity"} <= set(found["unfinished-operation"])
    (ledger,) = said.document["ledgers"]
    assert "while a job runs" in ledger["untold"]
    assert {row["holding"] for row in ledger["rows"]} <= {"pending"}


async def test_a_machine_without_any_record_has_an_empty_ledger(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    said = await shell.run("doctor", "--json", machine=web)
    assert said.document == {"findings": [], "ledgers": []}
    said = await shell.run("doctor", "web-01", machine=web)
    assert "the first backup begins both" in said.out


async def test_a_hostile_name_is_shown_and_does_nothing(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    node = (await web.lab.execute("query-block"))[0]["inserted"]["node-name"]
    name = "a\x1b[2J[red]b"
    await web.lab.execute("block-dirty-bitmap-add", node=node, name=name)
    said = await shell.run("doctor", "web-01", machine=web)
    assert "\x1b" not in said.out and "a␛[2J[red]b" in said.out
    assert "foreign" in said.out
