"""An action that is repeated while other work goes on."""

import threading

from stackcli.common.heartbeat import repeat_action


def test_the_action_is_repeated_in_another_thread_until_the_block_ends() -> None:
    thrice, threads = threading.Event(), []

    def note() -> None:
        threads.append(threading.current_thread())
        if len(threads) >= 3:
            thrice.set()

    with repeat_action(note, seconds=0.001):
        assert thrice.wait(20)
    number = len(threads)
    assert threading.current_thread() not in threads and not threads[0].is_alive()
    assert not threading.Event().wait(0.02) and len(threads) == number


def test_an_action_that_raises_ends_nothing_but_itself() -> None:
    called = threading.Event()

    def fail() -> None:
        called.set()
        raise RuntimeError("no")

    with repeat_action(fail, seconds=0.001):
        assert called.wait(20)
