import io
import time

from rich.console import Console

from aemm.apis import Account, LeftOut
from aemm.cli.prediction_progress import shown_progress


def shown(console, total):
    asked = []
    with shown_progress(lambda: asked.append(1) or total, console) as tell:
        account = Account(left_out=[LeftOut("a", "it is empty")])
        for account.images in range(12):
            tell(account)
            time.sleep(0.02)
    return asked


def test_a_terminal_shows_images_rate_and_what_was_left_out():
    text = io.StringIO()
    assert shown(Console(file=text, force_terminal=True, width=100), 30)
    assert "12/30" in text.getvalue()
    assert "images/s" in text.getvalue()
    assert "1 left out" in text.getvalue()
    assert "0:00:0" in text.getvalue()


def test_where_nobody_knows_the_end_there_is_no_time_left():
    text = io.StringIO()
    shown(Console(file=text, force_terminal=True, width=100), None)
    assert "12/?" in text.getvalue()


def test_a_file_gets_nothing():
    text = io.StringIO()
    assert not shown(Console(file=text), 30)
    assert text.getvalue() == ""
