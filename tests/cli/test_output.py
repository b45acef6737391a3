import io
import json

from vmsnap_tui.cli.output import Output

HOSTILE = "web\x1b]52;c;aGk=\x07\u202edb"


def test_json_is_ascii_whatever_a_machine_is_called() -> None:
    stream = io.StringIO()
    Output(as_json=True, stream=stream).document({"name": HOSTILE})
    said = stream.getvalue()
    assert said.isascii() and "\x1b" not in said
    assert json.loads(said) == {"name": HOSTILE}


def test_lines_show_escapes_instead_of_sending_them() -> None:
    stream = io.StringIO()
    Output(stream=stream).line(HOSTILE)
    assert stream.getvalue() == "web␛]52;c;aGk=␇\ufffddb\n"


def test_a_line_may_have_several_lines() -> None:
    stream = io.StringIO()
    Output(stream=stream).line("one\ntwo")
    assert stream.getvalue() == "one\ntwo\n"


def test_columns_line_up_also_with_wide_characters() -> None:
    stream = io.StringIO()
    out = Output(stream=stream)
    out.table(("VM", "JOBS"), [("仮想", "1"), ("web\n", "12")], right=frozenset({1}))
    assert stream.getvalue() == "VM    JOBS\n仮想     1\nweb␊    12\n"


def test_a_stream_of_objects_is_one_a_line() -> None:
    stream = io.StringIO()
    out = Output(as_json=True, stream=stream)
    out.json_line({"a": [1, 2]})
    out.json_line({"b": "x\ny"})
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"a": [1, 2]},
        {"b": "x\ny"},
    ]
