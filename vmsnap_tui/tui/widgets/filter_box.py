"""The line in which a filter is typed; it is there only while there is a filter."""

from textual import events
from textual.message import Message
from textual.widgets import Input


class FilterBox(Input):
    """`open` shows it; enter keeps the filter, esc drops it, both leave the box."""

    DEFAULT_CSS = "FilterBox { display: none; }"

    class Left(Message):
        """The operator is done typing: the list takes the keys again."""

    def __init__(self, *, id: str = "filter") -> None:  # noqa: A002 - Textual's name
        super().__init__(placeholder="filter", id=id, select_on_focus=False)
        self.cursor_blink = False

    def open(self, text: str | None = None) -> None:
        """Show the box and type into it."""
        if text is not None:
            self.value = text
        self.display = True
        self.focus()

    def drop(self) -> None:
        """No filter any more."""
        self.value = ""
        self.display = False
        self.post_message(self.Left())

    def key_escape(self, event: events.Key) -> None:
        event.stop()
        self.drop()

    def key_down(self, event: events.Key) -> None:
        event.stop()
        self.post_message(self.Left())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.display = bool(self.value)
        self.post_message(self.Left())
