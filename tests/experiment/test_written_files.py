"""Names the files that a command wrote."""

from pathlib import Path

from stackcli.experiment.written_files import abbreviate_files, describe_files


def test_files_that_differ_in_their_ending_alone_are_named_once(tmp_path: Path) -> None:
    names = ("table.csv", "accuracy.png", "accuracy.svg", "loss.png")
    files = [*(tmp_path / name for name in names), Path("other") / "x.csv"]
    assert abbreviate_files(files, tmp_path) == [
        "table.csv",
        "accuracy.{png,svg}",
        "loss.png",
        str(Path("other") / "x.csv"),
    ]


def test_the_overview_is_opened_first_then_the_figure_of_the_question_then_accuracy(tmp_path: Path) -> None:
    def first(*names: str, question: str = "") -> str:
        said = describe_files([tmp_path / name for name in names], tmp_path, question)
        head = f"wrote {len(names)} file{'s' if len(names) > 1 else ''} to {tmp_path}"
        assert said.startswith(head)
        return said.removeprefix(head).removeprefix(f"; open {tmp_path / ''}").removesuffix(" first").lstrip("/\\")

    every = ("table.csv", "table.md", "accuracy.svg", "accuracy.png", "time.png", "overview.pdf")
    assert first(*every, question="time") == "overview.pdf"
    assert first(*every[:-1], question="time") == "time.png"
    assert first(*every[:-1]) == "accuracy.png" and first(*every[:3]) == "accuracy.svg"
    assert first(*every[:2], question="time") == "table.md" and first("runs.csv") == ""
    assert first("slopes.csv", "gradient.png", question="slopes") == "gradient.png"
