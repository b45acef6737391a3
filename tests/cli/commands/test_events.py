import json
import signal

from tests.cli.conftest import Shell
from tests.conftest import StartMachine


async def test_events_come_one_a_line_until_ctrl_c(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    process = await shell.start("events", "--json", machine=web)
    assert process.stdout is not None
    first = json.loads(await process.stdout.readline())
    assert first["type"] == "fleet"
    assert first["connections"][0]["vms"] == [{"name": "web-01", "state": "paused"}]
    await web.lab.execute("cont")
    async for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "wire" and event["name"] == "RESUME":
            break
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == 130
