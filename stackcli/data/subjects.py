"""Exam questions of four subjects, written for this project (CC0), each about Biology, Chemistry, Maths or Physics.

input  "Why does a paper boat float until it is soaked ?"
answer  Physics
"""

from pathlib import Path

from stackcli.data.base import Clean, MaxLen, MinCount, Noise, TextData, TrainSize


class Subjects(TextData):
    """`stackcli/data/subjects.csv`: text, label, topic, level."""

    def __init__(
        self,
        *,
        max_len: MaxLen = 128,
        min_count: MinCount = 1,
        strip_links: bool = False,
        strip_punctuation: bool = False,
        test_path: str = "",
        vectors: str = "",
        frozen: bool = False,
        size: TrainSize = 0,
        noise: Noise = 0.0,
        encoding: str = "utf-8",
        clean: Clean = "none",
    ) -> None:
        super().__init__(
            max_len=max_len,
            min_count=min_count,
            strip_links=strip_links,
            strip_punctuation=strip_punctuation,
            test_path=test_path,
            vectors=vectors,
            frozen=frozen,
            size=size,
            noise=noise,
            encoding=encoding,
            clean=clean,
        )
        self.path, self.text, self.label = str(Path(__file__).with_name("subjects.csv")), "text", "label"
        self.path_encoding = "utf-8"  # of this file; `encoding` is that of the user's test file
