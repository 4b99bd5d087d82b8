"""Any CSV, TSV or JSON lines file of texts and labels: data=csv data.path=FILE data.text=COLUMN data.label=COLUMN.

input  a cell of the text column, as word, number and punctuation tokens
answer the cell of the label column in the same row
"""

from stackcli.data._source import expand_home
from stackcli.data.base import Clean, MaxLen, MinCount, Noise, TextData, TrainSize


class Csv(TextData):
    """A user's own file, with a header (for JSON lines: the keys), plain or gzip. The header, or a first line `sep=;`,
    shows the separator: comma, tab, semicolon or bar. Quotes are those of RFC 4180. With tabs as the separator, a quote
    is an ordinary character, unless a pair of quotes encloses a cell."""

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
        self.path, self.text, self.label = expand_home(path), text, label
