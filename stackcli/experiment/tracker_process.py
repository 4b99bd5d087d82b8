"""The process of one tracker of one run: reads what the run sends, line by line, and calls the tracker."""

import contextlib
import json
import os
import queue
import re
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from stackcli.common import registry
from stackcli.common.records import loads, parse_number

SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$", re.IGNORECASE)  # names of variables
Say = Callable[[Mapping[str, Any]], None]


def serve_stdin() -> None:
    """Serves the run at the other end of stdin. What the tracker or its library prints is thrown away; stdout, which no
    one else knows, carries what goes wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lines, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as nothing:
        for number in (0, 1, 2):
            os.dup2(nothing.fileno(), number)

    def say(message: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the run has ended
            answers.write(json.dumps(message).encode() + b"\n")
            answers.flush()

    head = loads(lines.readline().decode() or "{}")
    if head and serve(head, receive(lines, head["patience"]), say):
        os._exit(0)  # whatever threads its library has left


def receive(lines: Any, patience: float) -> "queue.SimpleQueue[dict[str, Any] | None]":
    """Reads messages in a thread. After the last one the tracker has `patience` seconds: if the run was killed, nobody
    else ends a tracker that hangs."""
    messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def read() -> None:
        for line in lines:
            with contextlib.suppress(ValueError):  # cut off by the death of the run
                messages.put(loads(line.decode()))
        messages.put(None)
        timer = threading.Timer(patience, leave)
        timer.daemon = True
        timer.start()

    threading.Thread(target=read, daemon=True).start()
    return messages


def leave() -> None:
    """Ends this process and those that the tracker has started."""
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def serve(head: Mapping[str, Any], messages: Any, say: Say) -> bool:
    """Builds the tracker, starts it, and passes messages on until they end. The first error ends all of it. Returns
    whether there was none."""
    from stackcli.tracker.base import TrackedRun

    at = "start"
    try:
        Path(head["lock"]).parent.mkdir(parents=True, exist_ok=True)
        with FileLock(head["lock"]):  # an earlier process of this run may be ending
            tracker = registry.build_part("tracker", head["name"], out=Path(head["out"]), **head["keys"])
            known, result = tracker.start(TrackedRun(**head["about"])), {"status": "stopped"}
            at = "log"
            while (message := messages.get()) is not None:
                if "result" in message:
                    result = {name: parse_number(value) for name, value in message["result"].items()}
                elif message["step"] not in known:
                    tracker.log(message["step"], {k: parse_number(v) for k, v in message["numbers"].items()})
            at = "finish"
            tracker.finish(result)
    except BaseException as error:
        say({"failed": at, "why": describe_error(error)})
        return False
    say({"ended": True})
    return True


def describe_error(error: BaseException) -> str:
    """Returns an error on one line, without the values of variables of the environment that are secrets, and without
    the password of an address."""
    return hide_secrets(" ".join(f"{type(error).__name__}: {error}".split()))[:400]


def hide_secrets(text: str) -> str:
    """Replaces secrets by ***.

    >>> hide_secrets("postgresql://me:word@host/runs")
    'postgresql://***@host/runs'
    """
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) > 3:
            text = text.replace(value, "***")
    return re.sub(r"(?<=://)[^/@\s]+@", "***@", text)
