"""What workers post."""

from vmsnap_tui.engine.events import FleetChanged
from vmsnap_tui.tui.messages import EngineOpened, EngineSpoke, RecordsRead
from vmsnap_tui.tui.observed import Records


def test_messages_carry_what_was_told() -> None:
    event = FleetChanged(())
    assert EngineSpoke(event).event is event
    assert RecordsRead(Records(problem="no")).records.problem == "no"
    assert EngineOpened().handler_name == "on_engine_opened"
