"""What a person types wrongly, and what the tool answers; exit codes."""

import errno
import time
from pathlib import Path

import pytest
import typer

from stackcli.cli import app
from stackcli.common.atomic_files import CorruptionError
from stackcli.experiment.identity import ConflictError
from tests.helpers import stackattn, words

BAD = {
    "depth=0": "depth=0: must be at least 1",
    "depth=-3": "depth=-3",
    "depth=abc": "depth=abc",
    "depth=3.7": "depth=3.7",
    "depth=true": "depth=true",
    "depth=null": "depth=null",
    "depth=": "depth=",
    "depth=1000000 dim=64": "GiB",
    "dpeth=4": "did you mean depth?",
    "+new=2": "+new=2",
    "~depth": "~depth",
    "dim=30 heads=4": "not divisible by heads=4",
    "pe=rotary": "did you mean rope? Choose from alibi, conv, cope, fire, fourier, kerple, learned, mlp, none",
    "pe=relativ": "did you mean relative?",
    "lr=nan": "lr=nan",
    "lr=inf": "lr=inf",
    "lr=1e400": "lr=",
    "lr=0": "lr=0",
    "lr=-1": "lr=-1",
    "seed=-1": "seed=-1",
    "seed=1180591620717411303424": "seed=",
    "seed=1.5": "seed=1.5",
    "seed=9223372036854775806 seeds=3": "seed=9223372036854775808",
    "dropout=1.0": "dropout=1.0",
    "epochs=0": "epochs=0",
    "heads=0": "heads=0",
    "batch=1000000": "larger than the training part",
    "depth=1,1,2": "depth",
    "pe=glob(zzz*)": "zzz",
    "depth=range(1,5000) lr=0.001,0.002 dim=range(4,4000,4)": "runs",
    "depth=1 depth=2": "depth",
    "hydra.run.dir=x": "hydra.run.dir",
    "data.path=${oc.env:HOME}": "${",
    "_target_=os.system": "_target_",
    "--study ../x": "--study",
    "--study -rf": "--study",
    "-j -1": "-j -1",
    "-j 10000": "-j 10000",
    "--depth 4": "write depth=4",
    "--format pdf": "--format pdf",
    "--figures gif": "--figures gif",
    "--cols tets_acc": "--cols tets_acc: unknown column; did you mean test_acc?",
    "--sort -nonsense": "--sort nonsense: unknown column",
    "--study " + "x" * 300: "--study",
    "--study a\nb": "--study",
    "depth=1000000 dim=8": "GiB",
    "pe=sinusoidal dim=9 heads=3": "sinusoidal needs an even dim",
    "pe=relative pe.keys=false pe.values=false": "pe.keys=true or pe.values=true",
    "pe.clip=4": "pe.clip belongs to pe=relative and pe=structural, not to pe=learned",
    "depth=[1,2]": "a list or dictionary is no value",
    "depth=range(5,1)": "the range is empty",
    "depth=shuffle(1,2)": "shuffle() has no seed",
    "seeds=0": "seeds=0",
    "pe=no": "no such choice",
    "--out /dev/null": "a file, not a folder",
    "--out /proc/1/x": "--out",
    "--config-dir nowhere": "no such folder",
    "--experiment nonsense": "no such experiment",
    "data=csv": "data.path",
    "data=csv data.path=missing.csv": "no such file",
    "pe=rope pe.base=abc": "a number in its range, or auto",
    "pe=rope pe.layout=both": "choose from interleaved, half",
    "pe=learned pe.dim=64": "pe.dim=64 is more than dim=8",
    "pe=learned pe.randomised=true pe.range=4": "pe.range=4: the longest input has 128 positions",
    "pe=learned pe.pretrain=5": "pe.pretrain needs pe.loss",
    "pe=sinusoidal pe.loss=order": "something to train",
    "pe=structural": "needs data that carry a tree",
    "pe=alibi heads=1": "even number of heads",
    "data=markov": "data=markov needs causal=true",
    "data=recall data.train_len=20 causal=true": "need data.symbols=40",
    "data=text causal=true": "data.path",
    "data=conllu data.path=missing.conllu": "no such file",
    "data=order data.train_len=1": "at least 4",
    "data=order data.train_len=2": "at least 4",
    "data=markov data.train_len=2 causal=true": "data.train_len must be at least 4",
    "data=markov data.letters=2 data.order=8 data.train_len=8 causal=true": "data.train_len must be at least 16",
    "data=lag data.train_len=2 causal=true": "at least 9",
    "data=listops data.train_len=7": "data.train_len must be at least 8",
    "--tune lr": "key=value",
    "--tune lr=0.1": "at least two values",
    "--tune lr=0.1,-1": "lr=-1",
    "--tune pe.clip=1,2": "a setting that is a number or a word",
    "device=cuda": "device=cuda: CUDA is not available; use device=cpu",
}


@pytest.mark.parametrize("typed", BAD)
def test_a_bad_input_gets_one_message_and_writes_nothing(typed: str, data: Path, tmp_path: Path) -> None:
    if typed == "device=cuda":
        import torch

        if torch.cuda.is_available():
            pytest.skip("this machine has CUDA")
    given = typed.split(" ")
    keys = {w.partition("=")[0] for w in given}
    other = any(word.startswith("data=") for word in given)
    mine = [w for w in words(data) if w.partition("=")[0] not in keys and not (other and w.startswith("data"))]
    done = stackattn("sweep", *mine, *given, "--quiet", cwd=tmp_path, figures=True)
    assert done.returncode == 2, done.stderr
    assert BAD[typed] in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_output_place_that_is_no_folder_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = stackattn("train", *words(data), "--out", "file", cwd=tmp_path)
    assert done.returncode == 2 and "a file, not a folder" in done.stderr


@pytest.mark.parametrize(
    "error,code,said",
    [
        (ValueError("one\ntwo"), 2, "error: one\nerror: two\n"),
        (ConflictError("x"), 4, "error: x\n"),
        (CorruptionError("x"), 5, "error: x\n"),
        (OSError(errno.EIO, "broken"), 74, "error: [Errno 5] broken\n"),
        (OSError(errno.ENOSPC, "full"), 74, "free some space and run the command again\n"),
        (KeyboardInterrupt(), 130, "\nstopped\n"),
    ],
)
def test_each_kind_of_error_has_its_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def action() -> int:
        raise error

    with pytest.raises(typer.Exit) as left:
        app.run_guarded(action, debug=False)
    err = capsys.readouterr().err
    assert left.value.exit_code == code and err.endswith(said) and bool(err) == bool(said)


def test_with_debug_the_traceback_is_left_alone() -> None:
    def action() -> int:
        raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        app.run_guarded(action, debug=True)


def test_only_what_takes_long_is_announced_while_it_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "SLOW", 30.0)
    with app.announce_slow("sweep: reading"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(app, "SLOW", 0.0)
    said, end = "", time.monotonic() + 20
    with app.announce_slow("sweep: reading"), app.announce_slow("never", quiet=True):
        while not said and time.monotonic() < end:
            time.sleep(0.01)
            said = capsys.readouterr().err
    assert said == "sweep: reading\n" and capsys.readouterr().err == ""
