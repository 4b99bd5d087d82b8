"""The command probe."""

import sys
from pathlib import Path

import pytest

from stackcli.cli import main
from stackcli.config.settings import Options
from stackcli.experiment import initial_probe
from stackcli.experiment.study import Arms
from tests.helpers import stackattn, words

BAD = {
    "depth=0": "depth=0: must be at least 1",
    "dpeth=4": "did you mean depth?",
    "data=markov": "causal=true",
    "batch=10000 depth=1": "larger than the training part",
    "pe=structural": "needs data that carry a tree",
    "-j -1": "-j -1",
    "--figures gif": "--figures gif",
    "--study ../x": "--study",
    "--experiment nonsense": "no such experiment",
    "--out /dev/null": "a file, not a folder",
    "--depth 4": "write depth=4",
}


@pytest.mark.parametrize("typed", BAD)
def test_a_bad_input_gets_one_message_and_writes_nothing(typed: str, tmp_path: Path) -> None:
    done = stackattn("probe", *typed.split(" "), "--quiet", cwd=tmp_path)
    assert done.returncode == 2 and BAD[typed] in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_words_it_asks_for_three_schemes_to_depth_128(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Arms] = []

    def keep(given: Arms, options: Options) -> int:
        asked.append(given)
        return 0

    monkeypatch.setattr(initial_probe, "run_probe", keep)
    monkeypatch.setattr(sys, "argv", ["stackattn", "probe"])
    with pytest.raises(SystemExit):
        main.main()
    (given,) = asked
    assert len(given.configs) == 8 * 3 * 3 and max(c.depth for c in given.configs) == 128
    assert {c.residual.name for c in given.configs} == {"pre", "post", "deepnorm"}


def test_quiet_silences_the_progress_and_not_the_answer(data: Path, tmp_path: Path) -> None:
    line = words(data, "depth=1,2", "residual=pre", "seeds=1")
    done = stackattn("probe", *line, "--quiet", "--figures", "none", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "" and "deeper stacks" in " ".join(done.stdout.split())
