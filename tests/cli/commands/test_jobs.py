from tests.cli.conftest import Shell, fill, until_told
from tests.conftest import StartMachine


async def test_a_running_job_is_listed_with_its_operation(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine(extra_monitor=True)
    await fill(web)
    process = await shell.start(
        "backup", "web-01", "--speed", "64K", "--json", machine=web
    )
    await until_told(process, '"done_bytes"')
    beside = f"qmp://{web.directory}/qmp2.sock?name=web-01"
    said = await shell.run("--connect", beside, "jobs", "web-01", "--json")
    (job,) = said.document
    assert job["id"] == f"vmsnap-{job['operation']}-vda"
    assert (job["vm"], job["kind"], job["status"]) == ("web-01", "backup", "running")
    assert 0 <= job["done_ratio"] < 1 and job["total_bytes"] >= 8 << 20
    plain = await shell.run("--connect", beside, "jobs")
    assert job["id"] in plain.out


async def test_no_jobs_are_an_empty_list(shell: Shell, machine: StartMachine) -> None:
    said = await shell.run("jobs", "--json", machine=await machine())
    assert (said.code, said.document) == (0, [])
