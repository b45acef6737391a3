"""What workers post; only handlers touch widgets."""

from textual.message import Message

from vmsnap_tui.engine.events import EngineEvent
from vmsnap_tui.tui.observed import Records


class EngineSpoke(Message):
    """The engine told something."""

    def __init__(self, event: EngineEvent) -> None:
        super().__init__()
        self.event = event


class EngineOpened(Message):
    """Every connection has been tried once."""


class RecordsRead(Message):
    """Points, alarms and unfinished operations were read from disk."""

    def __init__(self, records: Records) -> None:
        super().__init__()
        self.records = records
