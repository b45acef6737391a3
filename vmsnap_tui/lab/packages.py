"""Debian packages, fetched and unpacked beside the system and never installed.

apt gets a state of its own, so that the machine's lists need not be fresh, no root is
needed, and nothing of the system changes. What is fetched is checked by apt against
the keys of the system.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vmsnap_tui.lab.disks import run_tool
from vmsnap_tui.lab.monitor import LabFailed

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_CONFIGURATION = """\
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Debug::NoLocking "1";
"""

_OTHER_SUITE = """\
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Acquire::Check-Valid-Until "false";
"""
"""Testing's lists expire within a week, which a machine's clock may not agree with."""


@dataclass(frozen=True, slots=True)
class AptRoot:
    """A private apt in `directory`, on the system's sources or on one other suite.

    Its status is empty: for it nothing is installed, so a package comes with all that
    it needs, down to the C library.
    """

    directory: Path
    suite: str = ""

    async def update(self) -> None:
        """Fetch the lists; raises LabFailed when there is no apt, or no mirror."""
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "status").write_text("")
        words = _CONFIGURATION
        if self.suite:
            words += _OTHER_SUITE
            signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
            source = f"deb {signed}{await debian_mirror()} {self.suite} main\n"
            (self.directory / "sources.list").write_text(source)
        (self.directory / "apt.conf").write_text(words.format(root=self.directory))
        await self._run("apt-get", "-q", "update")

    async def depends(self, package: str) -> tuple[str, ...]:
        """Return the names of what a package depends on, first alternatives only."""
        said = await self._run("apt-cache", "show", "--no-all-versions", package)
        for line in said.splitlines():
            if line.startswith("Depends: "):
                wanted = line.removeprefix("Depends: ").split(",")
                return tuple(each.split()[0] for each in wanted)
        return ()

    async def unpack(self, packages: Sequence[str], into: Path) -> None:
        """Unpack these packages alone."""
        debs = self.directory / "debs"
        debs.mkdir(exist_ok=True)
        await self._run("apt-get", "-q", "download", *packages, directory=debs)
        await _unpack(debs, into)

    async def unpack_with_depends(self, packages: Sequence[str], into: Path) -> None:
        """Unpack these packages and everything they need."""
        fetch = ("-q", "-y", "--download-only", "install")
        await self._run("apt-get", *fetch, *packages)
        await _unpack(self.directory / "cache" / "archives", into)

    async def _run(self, tool: str, *words: str, directory: Path | None = None) -> str:
        configuration = ("-c", str(self.directory / "apt.conf"))
        return await run_tool([tool, *configuration, *words], directory)


async def debian_mirror() -> str:
    """Return the mirror from which this machine takes Debian's main archive.

    Raises LabFailed on a machine that is not Debian.
    """
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    for line in (await run_tool(asked)).splitlines():
        if line.rstrip("/").endswith("/debian"):
            return line
    raise LabFailed(
        "this machine has no Debian mirror among its package sources",
        remedy="add one, or use a Debian machine",
    )


async def _unpack(debs: Path, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    for deb in sorted(debs.glob("*.deb")):
        await run_tool(["dpkg", "-x", deb, into])
        deb.unlink()
