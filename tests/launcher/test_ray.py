"""Ray: a cluster of its own, and two nodes on this machine of which one is killed."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

from stackcli.launcher.base import Outcome
from stackcli.launcher.ray import Ray
from tests.helpers import environment, results, stackattn, start, words, write_data
from tests.launcher.cluster_jobs import Count, count, states

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
ROOT = Path(__file__).parents[2]

ALONE = """
import json, os, sys
from pathlib import Path
from stackcli.launcher.ray import Ray
from tests.launcher.cluster_jobs import Count, count, states

def listening():
    found = {}
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                found[words[9]] = words[1].partition(":")[0]
    return found

def comes_from_here(place):
    while place.name not in ("0", "1", str(os.getpid())):
        place = place.with_name((place / "stat").read_text().rpartition(")")[2].split()[1])
    return place.name == str(os.getpid())

def addresses():
    "Where this process and all that come from it listen."
    found, sockets = set(), listening()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if comes_from_here(place):
                links = [os.readlink(path) for path in (place / "fd").iterdir()]
                found |= {sockets[link[8:-1]] for link in links if link[8:-1] in sockets}
        except OSError:
            pass
    return found

folder = sys.argv[1]
jobs = [Count(folder, "fine"), Count(folder, "killed", ("killed",)), Count(folder, "told", ("told to leave",) * 2)]
jobs += [Count(folder, "failed", ("raises",))]
executor, found = Ray(workers=2, folder=Path(folder) / "out"), []
where = set()
for outcome in executor.run(count, jobs):
    found.append(outcome)
    where = where or addresses()
print("in the middle")
executor.close()
last = {outcome.job: outcome.detail for outcome in found}
print(json.dumps([states(found), [job.starts() for job in jobs], last, sorted(where)]))
"""


@pytest.mark.slow
def test_a_cluster_of_its_own_listens_to_this_machine_alone_and_keeps_stdout_clean(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=200,
        env=environment(PYTHONPATH=str(ROOT)),
    )
    assert done.returncode == 0, done.stderr
    seen, starts, last, where = json.loads(done.stdout)  # what was said before `close` and by Ray went to stderr
    assert "in the middle" in done.stderr
    again = ["started", "retried", "started"]
    assert seen == {
        "0": ["started", "done"],
        "1": [*again, "done"],
        "2": [*again, *again[1:], "done"],
        "3": ["started", "failed"],
    }
    assert starts == [[0], [0, 0], [0, 5, 10], [0]]
    assert last["0"] == "fine" and "ValueError: a fault of the code" in last["3"]
    assert where and all(address.endswith("0100007F") for address in where)  # 127.0.0.1, also as an IPv6 address
    assert list((tmp_path / "out" / "launches").iterdir()) == []


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes with a core each; the second is `cluster.second`."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    from ray.cluster_utils import Cluster

    made: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.second = made.add_node(num_cpus=1)
    yield made
    made.shutdown()


@pytest.mark.slow
def test_a_node_that_is_killed_loses_only_its_own_run(cluster: Any, tmp_path: Path) -> None:
    import ray

    jobs = [Count(str(tmp_path), str(i), pause=0.05, steps=40) for i in range(6)]
    executor, found = Ray(workers=1, folder=tmp_path / "out", address=cluster.address), list[Outcome]()
    for outcome in executor.run(count, jobs):
        found.append(outcome)
        if cluster.second is not None and len({o.job for o in found if o.state == "progress"}) >= 2:
            cluster.remove_node(cluster.second, allow_graceful=False)
            cluster.second = None
    executor.close()
    assert not ray.is_initialized()
    retried = [o for o in found if o.state == "retried"]
    assert len(retried) == 1 and retried[0].detail in (
        "its machine left the cluster",
        "its process died (WorkerCrashedError)",
    )
    assert [len(job.starts()) for job in jobs] == [1 + (i == retried[0].job) for i in range(6)]
    assert {job: seen[-1] for job, seen in states(found).items()} == dict.fromkeys(range(6), "done")


@pytest.mark.slow
def test_a_sweep_that_loses_a_node_gives_the_bytes_of_a_local_one(cluster: Any, tmp_path: Path) -> None:
    line = ["sweep", *words(write_data(tmp_path / "d.csv"), "steps=300"), "seeds=3", "depth=1,2", "--figures", "none"]
    ray = ["launcher=ray", f"ray.address={cluster.address}", "--out", "ray", "--json"]
    process = start(*line, *ray, cwd=tmp_path, PYTHONPATH=str(ROOT))
    deadline = time.monotonic() + 120
    while len(running(tmp_path / "ray")) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    cluster.remove_node(cluster.second, allow_graceful=False)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert err.count("it is started again") == 1 and json.loads(out)
    assert err.count("test accuracy") == 6
    here = stackattn(*line, "-j", "2", "--out", "local", cwd=tmp_path)
    assert here.returncode == 0 and results(tmp_path / "ray") == results(tmp_path / "local") != {}


@pytest.mark.slow
def test_a_sweep_on_ray_that_is_interrupted_goes_on_here_to_the_same_bytes(tmp_path: Path) -> None:
    line = ["sweep", *words(write_data(tmp_path / "d.csv"), "steps=300"), "seeds=2", "depth=1,2", "--figures", "none"]
    process = start(*line, "launcher=ray", "-j", "1", "--out", "ray", cwd=tmp_path, PYTHONPATH=str(ROOT))
    deadline = time.monotonic() + 120
    while not running(tmp_path / "ray") and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 130 and "stopped, its state is saved" in err, err
    assert "To go on: stackattn sweep" in err and "launcher=ray" in err.rpartition("To go on: ")[2]
    assert len(list((tmp_path / "ray").glob("checkpoints/*/step-*.json"))) == 1
    again = stackattn(*line, "-j", "2", "--out", "ray", cwd=tmp_path)
    here = stackattn(*line, "-j", "1", "--out", "local", cwd=tmp_path)
    assert again.returncode == here.returncode == 0
    assert results(tmp_path / "ray") == results(tmp_path / "local") != {}


def running(out: Path) -> list[Path]:
    """The reports of runs that go on: those that have told a step."""
    return [path for path in out.glob("launches/*.told") if path.read_text() not in ("", "[]")]


@pytest.mark.slow
@pytest.mark.parametrize("now", [False, True])
def test_asked_to_stop_running_jobs_save_and_waiting_ones_are_taken_back(
    now: bool, cluster: Any, tmp_path: Path
) -> None:
    jobs = [Count(str(tmp_path), str(i), steps=10_000) for i in range(4)]
    executor, found = Ray(workers=1, folder=tmp_path / "out", address=cluster.address), list[Outcome]()
    for outcome in executor.run(count, jobs):
        found.append(outcome)
        if len({o.job for o in found if o.state == "progress"}) == 2 and not executor.stopping:
            executor.stop(now=now)
    executor.close()
    assert {job: seen[-1] for job, seen in states(found).items()} == dict.fromkeys(range(4), "stopped")
    begun = [job for job in jobs if job.starts()]
    assert len(begun) == 2 and all((tmp_path / f"{job.name}.saved").exists() != now for job in begun)


@pytest.mark.slow
def test_what_no_machine_has_is_refused_instead_of_waited_for(cluster: Any, tmp_path: Path) -> None:
    executor = Ray(workers=1, folder=tmp_path, address=cluster.address, cpus=64)
    with pytest.raises(ValueError, match=r"ray\.cpus=64: no machine of the cluster has so much; the largest has 1"):
        executor.warm()


def test_an_address_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"run the command on a machine of the cluster with ray\.address=auto"):
        Ray(workers=1, folder=tmp_path, address="ray://head:10001")


def test_a_cluster_that_does_not_answer_is_named_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(ValueError, match="nothing answers there"):
        Ray(workers=1, folder=tmp_path, address=address).warm()
    assert time.monotonic() - began < 30


def test_without_ray_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install 'stackattn\[ray\]'"):
        Ray(workers=1, folder=tmp_path)
