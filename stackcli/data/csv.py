"""Any CSV, TSV or JSON lines file of texts and labels: data=csv data.path=FILE data.text=COLUMN data.label=COLUMN.

input  a cell of the text column, as word, number and punctuation tokens
answer the cell of the label column in the same row
"""

from stackcli.data._source import expand_home
from stackcli.data.base import MaxLen, MinCount, Noise, TextData, TrainSize


class Csv(TextData):
    """A user's own file, with a header (of JSON lines: the keys), plain or gzip. The header shows how cells are
    split: by commas, tabs, semicolons or bars, or as a first line `sep=;` says. In a file split by tabs a quote is a
    sign like any other, but where a pair of them encloses a cell; in others quotes are those of RFC 4180."""

    def __init__(
        self,
        *,
        path: str = "",
        text: str = "text",
        label: str = "label",
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
        )
        self.path, self.text, self.label = expand_home(path), text, label
