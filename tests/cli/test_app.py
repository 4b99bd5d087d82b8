"""What a person types, and what the tool answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import environment, stackattn, words, write_data

COMMANDS = (
    "train",
    "sweep",
    "ablate-depth",
    "compare-pe",
    "plot",
    "predict",
    "list",
    "runs",
    "verify",
    "check",
    "probe",
)

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
    "pe=rotary": "choose from alibi, conv, cope, fire, fourier, kerple, learned, mlp, none, relative, rope",
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
    "pe.clip=4": "unknown key 'pe.clip' for pe=learned",
    "depth=[1,2]": "a list or dictionary is no value",
    "depth=range(5,1)": "the range is empty",
    "depth=shuffle(1,2)": "shuffle() has no seed",
    "seeds=0": "seeds=0",
    "pe=no": "no such part",
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
    "data=markov": "causal=true",
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
    "device=cuda": "device=cuda",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "d.csv")


def here(
    arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """(exit code, stderr) of the tool run in this process, which saves its start."""
    from stackcli.cli.main import main

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["stackattn", *arguments])
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0), capsys.readouterr().err


@pytest.mark.parametrize("typed", BAD)
def test_a_bad_input_gets_one_message_and_writes_nothing(
    typed: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if typed == "device=cuda":
        import torch

        if torch.cuda.is_available():
            pytest.skip("this machine has CUDA")
    given = typed.split(" ")
    keys = {w.partition("=")[0] for w in given}
    other = any(word.startswith("data=") for word in given)
    mine = [w for w in words(data) if w.partition("=")[0] not in keys and not (other and w.startswith("data"))]
    code, said = here(["sweep", *mine, *given, "--quiet"], tmp_path, monkeypatch, capsys)
    assert code == 2, said
    assert BAD[typed] in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_train_refuses_several_values_and_compare_pe_refuses_one(data: Path, tmp_path: Path) -> None:
    several = stackattn("train", *words(data, "depth=1,2"), cwd=tmp_path)
    assert several.returncode == 2 and "sweep" in several.stderr
    one = stackattn("compare-pe", *words(data, "pe=learned"), cwd=tmp_path)
    assert one.returncode == 2 and "pe=learned,sinusoidal,relative" in one.stderr


def test_all_errors_are_said_at_once(tmp_path: Path) -> None:
    done = stackattn("train", "depth=0", "lr=-1", "dropout=2", cwd=tmp_path)
    assert all(word in done.stderr for word in ("depth=0", "lr=-1", "dropout=2"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_ends_with_an_example(command: str, tmp_path: Path) -> None:
    done = stackattn(command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"Example: stackattn {command}" in done.stdout.strip().splitlines()[-1]


def test_the_list_of_commands_cuts_no_word(tmp_path: Path) -> None:
    done = stackattn("--help", cwd=tmp_path, COLUMNS="80")
    listed = done.stdout.partition("Commands:")[2]
    assert all(f"  {command} " in listed for command in COMMANDS) and "..." not in listed


def modules(code: str, cwd: Path) -> set[str]:
    """The modules loaded after running the tool's main with these arguments."""
    program = f"import sys; sys.argv = ['stackattn', {code}]\n"
    program += "from stackcli.cli.main import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
    program += "print('\\n' + ' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, env=environment(), capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = {"torch", "pandas", "numpy", "hydra", "omegaconf", "matplotlib", "sklearn", "pydantic"}
    assert modules("'--help'", tmp_path) & heavy == set()


def test_plot_list_and_runs_never_import_torch(data: Path, tmp_path: Path) -> None:
    stackattn("train", *words(data), cwd=tmp_path)
    for arguments in ("'plot'", "'plot', '--list'", "'list'", "'list', 'data'", "'runs'", "'verify'"):
        loaded = modules(arguments, tmp_path)
        assert "stackcli.cli.main" in loaded
        assert "torch" not in loaded, arguments


def test_a_dry_run_counts_and_writes_no_run(data: Path, tmp_path: Path) -> None:
    done = stackattn("sweep", *words(data, "depth=1,2,4"), "--dry-run", cwd=tmp_path)
    assert done.returncode == 0 and "9 runs (depth = 1, 2, 4; seeds 0, 1, 2); 0 there already" in done.stderr
    assert "about " in done.stderr and list(tmp_path.iterdir()) == []


def test_more_than_200_runs_need_a_yes(data: Path, tmp_path: Path) -> None:
    done = stackattn("sweep", *words(data, "depth=range(1,101)"), cwd=tmp_path)
    assert done.returncode == 2 and "--yes" in done.stderr and not list(tmp_path.rglob("result.json"))


def test_a_classifier_is_trained_asked_listed_and_verified(data: Path, tmp_path: Path) -> None:
    done = stackattn("train", *words(data, "steps=60", "lr=0.01"), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), list)
    listed = stackattn("runs", "--json", cwd=tmp_path)
    run = json.loads(listed.stdout)["run"]
    said = stackattn("predict", run[:6], "about cats", "--json", cwd=tmp_path)
    answer = json.loads(said.stdout)
    assert set(answer["probability"]) == {"cat", "dog"} and abs(sum(answer["probability"].values()) - 1) < 1e-6
    assert stackattn("verify", cwd=tmp_path).returncode == 0
    (tmp_path / "outputs" / "runs" / run / "result.json").write_text("{")
    assert stackattn("verify", cwd=tmp_path).returncode == 5


def test_plot_draws_again_what_a_study_has_drawn(data: Path, tmp_path: Path) -> None:
    stackattn("train", *words(data), cwd=tmp_path, figures=True)
    first = {p.name: p.read_bytes() for p in tmp_path.glob("outputs/studies/*/*.svg")}
    assert first
    for path in tmp_path.glob("outputs/studies/*/*.svg"):
        path.unlink()
    assert stackattn("plot", cwd=tmp_path).returncode == 0
    assert {p.name: p.read_bytes() for p in tmp_path.glob("outputs/studies/*/*.svg")} == first
    typo = stackattn("plot", "--figure", "acuracy", cwd=tmp_path)
    assert typo.returncode == 2 and "did you mean accuracy?" in typo.stderr


def test_plot_without_a_study_says_what_to_run(tmp_path: Path) -> None:
    done = stackattn("plot", cwd=tmp_path)
    assert done.returncode == 2 and "no store" in done.stderr


def test_an_output_place_that_is_no_folder_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = stackattn("train", *words(data), "--out", "file", cwd=tmp_path)
    assert done.returncode == 2 and "a file, not a folder" in done.stderr


def test_the_same_study_name_with_other_settings_is_a_conflict(data: Path, tmp_path: Path) -> None:
    stackattn("train", *words(data), "--study", "mine", cwd=tmp_path)
    done = stackattn("train", *words(data, "lr=0.5"), "--study", "mine", cwd=tmp_path)
    assert done.returncode == 4 and "lr=0.001 there, 0.5 here" in done.stderr


def test_tables_come_as_csv_markdown_and_latex(data: Path, tmp_path: Path) -> None:
    line = words(data, "depth=1,2", "seeds=2")
    assert "depth" in stackattn("sweep", *line, "--csv", "-", cwd=tmp_path).stdout.splitlines()[0]
    assert "|" in stackattn("sweep", *line, "--format", "md", cwd=tmp_path).stdout
    assert "tabular" in stackattn("sweep", *line, "--format", "latex", cwd=tmp_path).stdout
    plain = stackattn("sweep", *line, cwd=tmp_path, COLUMNS="80")
    assert max(map(len, plain.stdout.splitlines())) <= 80


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    from stackcli import __version__

    assert stackattn("--version", cwd=tmp_path).stdout.strip() == f"stackattn {__version__}"


@pytest.mark.parametrize(
    "typed,at,answer",
    [
        ("stackattn sweep dep", 2, "depth="),
        ("stackattn sweep pe=le", 2, "pe=learned"),
        ("stackattn sweep pe=learned,re", 2, "pe=learned,relative"),
        ("stackattn sweep pe = le", 4, "learned"),  # as bash breaks it
        ("stackattn sweep residual =", 3, "admin\ndeepnorm\nlayerscale\nnone\npost\npre\nrezero\nsandwich\nscaled"),
        ("stackattn sweep depth=1 schedule = cos", 5, "cosine"),
    ],
)
def test_the_shell_is_told_keys_and_choices(typed: str, at: int, answer: str, tmp_path: Path) -> None:
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(at), "_STACKATTN_COMPLETE": "complete_bash"}
    program = "import sys; sys.argv = ['stackattn']; from stackcli.cli.main import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(**asked), capture_output=True, text=True
    )
    assert found.stdout.strip() == answer


def test_the_tool_alone_says_what_it_can_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stackcli"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 2 and "Commands:" in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_list_pe_tells_what_each_encoding_costs_and_needs(tmp_path: Path) -> None:
    told = stackattn("list", "pe", "dim=32", "depth=3", "heads=4", "--json", cwd=tmp_path)
    rows = {row["name"]: row for row in json.loads(told.stdout)}
    assert rows["learned"]["parameters"] == 128 * 32 and rows["learned"]["beyond"] == "refused"
    assert rows["relative"]["parameters"] == 3 * 2 * 33 * 8 and rows["relative"]["needs"] == "explicit kernel"
    assert rows["rope"]["parameters"] == 0 and rows["rope"]["needs"] == ""
    assert rows["structural"]["needs"] == "a tree, explicit kernel"
    shown = stackattn("list", "pe", cwd=tmp_path).stdout
    assert max(map(len, shown.splitlines())) <= 80 and all(name in shown for name in rows)
    odd = stackattn("list", "pe", "dim=9", "heads=3", "--json", cwd=tmp_path)
    assert "even dim" in next(row["needs"] for row in json.loads(odd.stdout) if row["name"] == "sinusoidal")


def test_check_prints_a_certificate_and_draws_the_mend(tmp_path: Path) -> None:
    done = stackattn("check", "pe=sinusoidal", "data.max_len=64", "--figures", "png", cwd=tmp_path)
    assert done.returncode == 0 and "causality" in done.stdout and "pe.base=auto" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    (figure,) = tmp_path.glob("outputs/checks/*.png")
    assert figure.stat().st_size > 10_000 and str(figure.name) in done.stderr
    told = stackattn("check", "pe=alibi", "--json", cwd=tmp_path)
    assert {row["name"]: row["found"] for row in json.loads(told.stdout)}["shift"] == "ignored: relative"
