"""Signal handlers for a while."""

import signal
import threading

import pytest

from stackcli.common.signals import handle_signals


def test_a_signal_goes_to_the_handler_inside_and_to_the_former_one_after() -> None:
    inside, outside = list[int](), list[int]()
    before = signal.signal(signal.SIGTERM, lambda number, _: outside.append(number))
    try:
        with handle_signals([signal.SIGTERM], lambda number, _: inside.append(number)):
            signal.raise_signal(signal.SIGTERM)
        assert (inside, outside) == ([signal.SIGTERM], [])
        with pytest.raises(ZeroDivisionError), handle_signals([signal.SIGTERM], signal.SIG_IGN):
            raise ZeroDivisionError
        signal.raise_signal(signal.SIGTERM)
        assert outside == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_changes_no_handler() -> None:
    seen = list[object]()

    def work() -> None:
        with handle_signals([signal.SIGTERM], signal.SIG_IGN):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)] != [signal.SIG_IGN]
