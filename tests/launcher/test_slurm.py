"""Slurm through submitit, with commands of Slurm that start the jobs on this machine."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("submitit")

from stackcli.launcher import slurm
from stackcli.launcher._mailbox import Mailbox
from stackcli.launcher.base import Outcome
from stackcli.launcher.slurm import Slurm
from tests.helpers import results, stackattn, words, write_data
from tests.launcher import fake_slurm
from tests.launcher.cluster_jobs import Count, count, states

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Slurm runs on Linux")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The commands of Slurm are on PATH; yields the folder of their state. What still runs at the end is killed."""
    place = tmp_path / "cluster"
    monkeypatch.setenv("PATH", f"{fake_slurm.install(place)}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(place))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name, seconds in (("POLL", 0.05), ("ASK", 0.2), ("LAG", 0.5)):
        monkeypatch.setattr(slurm, name, seconds)
    yield place
    with fake_slurm.queue() as jobs:
        for job in jobs.values():
            if job["state"] == "RUNNING":
                os.killpg(job["pid"], signal.SIGKILL)
            job["state"] = "CANCELLED"


def run(tmp_path: Path, *jobs: Count) -> list[Outcome]:
    return list(Slurm(folder=tmp_path / "out").run(count, jobs))


def test_a_killed_job_is_tried_once_more_and_a_preempted_one_goes_on_from_ever_later_steps(
    cluster: Path, tmp_path: Path
) -> None:
    killed = Count(str(tmp_path), "killed", ("killed",))
    preempted = Count(str(tmp_path), "preempted", ("preempted", "preempted"))
    found = run(tmp_path, killed, preempted)
    assert states(found) == {0: ["started", "retried", "started", "done"], 1: ["started", "done"]}
    assert killed.starts() == [0, 0] and preempted.starts() == [0, 5, 10]
    (why,) = [outcome.detail for outcome in found if outcome.state == "retried"]
    assert "its process died (FAILED; log: " in why and Path(why.rpartition("log: ")[2].rstrip(")")).is_file()
    with fake_slurm.queue() as jobs:
        assert jobs["100_1"]["runs"] == 3 and len(jobs) == 3  # the killed one was sent again, the other went back
    assert list((tmp_path / "out" / "launches").iterdir()) == []


@pytest.mark.slow
def test_of_eight_jobs_seven_results_are_kept_where_one_is_always_out_of_memory(cluster: Path, tmp_path: Path) -> None:
    fates = {2: ("killed",), 3: ("out of memory",) * 9, 5: ("timed out",)}
    jobs = [Count(str(tmp_path), str(i), fates.get(i, ())) for i in range(8)]
    found = run(tmp_path, *jobs)
    again, last = ["started", "retried", "started"], {o.job: o for o in found}
    assert states(found) == {i: ["started", "done"] for i in range(8)} | {
        2: [*again, "done"],
        3: [*again, "lost"],
        5: [*again, "done"],
    }
    assert sorted(last[i].detail for i in range(8) if i != 3) == sorted("0124567")
    assert "it needed more than slurm.memory=4 GB (OUT_OF_MEMORY; log: " in last[3].detail
    assert [len(job.starts()) for job in jobs] == [1, 1, 2, 2, 1, 2, 1, 1]


@pytest.mark.slow
def test_a_job_that_raises_is_not_tried_again_and_one_that_gets_nowhere_is_given_up(
    cluster: Path, tmp_path: Path
) -> None:
    failed = Count(str(tmp_path), "failed", ("raises",))
    idle = Count(str(tmp_path), "idle", ("told at once",) * 9)
    found = run(tmp_path, failed, idle)
    seen = states(found)
    assert seen[0] == ["started", "failed"] and failed.starts() == [0]
    assert seen[1] == ["started", "retried", "started", "preempted"] and idle.starts() == [0, 0]
    assert "ValueError: a fault of the code" in next(o.detail for o in found if o.state == "failed")


@pytest.mark.slow
@pytest.mark.parametrize("now", [False, True])
def test_asked_to_stop_running_jobs_save_and_waiting_ones_leave_the_queue(
    now: bool, cluster: Path, tmp_path: Path
) -> None:
    jobs = [Count(str(tmp_path), str(i), steps=10_000) for i in range(3)]
    executor, found = Slurm(folder=tmp_path / "out"), []
    for outcome in executor.run(count, jobs):
        found.append(outcome)
        if {o.job for o in found if o.state == "progress"} == {0, 1} and not executor.stopping:
            executor.stop(now=now)
    assert {job: seen[-1] for job, seen in states(found).items()} == {0: "stopped", 1: "stopped", 2: "stopped"}
    assert [job.starts() for job in jobs] == [[0], [0], []]
    assert [(tmp_path / f"{i}.saved").exists() for i in range(2)] == [not now, not now]


@pytest.mark.slow
def test_jobs_of_a_command_that_was_killed_are_taken_over_and_trained_once(cluster: Path, tmp_path: Path) -> None:
    jobs = [Count(str(tmp_path), str(i), steps=200) for i in range(4)]
    before = Slurm(folder=tmp_path / "out").run(count, jobs)
    while next(before).state != "progress":  # then its command is killed
        pass
    found = run(tmp_path, *jobs)
    assert {job: seen[-1] for job, seen in states(found).items()} == dict.fromkeys(range(4), "done")
    assert [job.starts() for job in jobs] == [[0]] * 4
    with fake_slurm.queue() as queued:
        assert len(queued) == 4


def test_more_jobs_than_an_array_holds_are_several_arrays_and_the_script_says_what_was_asked_for(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "LARGEST", 3)
    monkeypatch.setenv("FAKE_SLURM_IDLE", "1")
    executor = Slurm(
        folder=tmp_path / "out",
        partition="gpu",
        account="lab",
        qos="long",
        time=30,
        memory=1.5,
        cpus=3,
        gpus=2,
        at_once=2,
        setup="true",
        warn=40,
    )
    executor.boxes = [Mailbox(tmp_path / "out", str(i)) for i in range(4)]
    executor._submit(count, [Count(str(tmp_path), str(i)) for i in range(4)], range(4))
    assert executor.running == {0: "100_0", 1: "100_1", 2: "100_2", 3: "101"}
    lines = (tmp_path / "out" / "slurm" / "100_submission.sh").read_text().splitlines()
    for line in ("partition=gpu", "account=lab", "qos=long", "time=30", "mem=1536MB", "cpus-per-task=3"):
        assert f"#SBATCH --{line}" in lines
    for line in ("gpus-per-node=2", "array=0-2%2", "signal=USR2@40"):
        assert f"#SBATCH --{line}" in lines
    assert "true" in lines


@pytest.mark.slow
def test_a_sweep_on_slurm_gives_the_bytes_of_a_local_one_and_may_go_on_with_another_launcher(
    cluster: Path, tmp_path: Path
) -> None:
    line = ["sweep", *words(write_data(tmp_path / "d.csv"), "steps=20"), "seeds=2"]
    sent = stackattn(*line, "depth=1,2", "launcher=slurm", "slurm.partition=gpu", "--out", "slurm", cwd=tmp_path)
    assert sent.returncode == 0, sent.stderr
    assert "launcher=slurm (partition=gpu)" in sent.stderr
    here = stackattn(*line, "depth=1,2", "-j", "2", "--out", "local", cwd=tmp_path)
    assert here.returncode == 0 and results(tmp_path / "slurm") == results(tmp_path / "local") != {}
    grown = stackattn(*line, "depth=1,2,3", "-j", "1", "--out", "slurm", cwd=tmp_path)
    assert grown.returncode == 0 and "4 finished before, 2 to train" in grown.stderr


def test_without_slurm_a_sweep_says_so_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = stackattn("sweep", *words(write_data(tmp_path / "d.csv")), "launcher=slurm", cwd=tmp_path)
    assert done.returncode == 2 and "no srun here; run the command on a machine of a Slurm cluster" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["d.csv"]


def test_without_submitit_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit.slurm.slurm", None)
    with pytest.raises(ValueError, match=r"pip install 'stackattn\[slurm\]'"):
        Slurm(folder=tmp_path / "out")
