"""YAML files of plain scalars: no aliases, no objects, no key twice."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

DEEPEST = 4  # collections in one another: a configuration has two
PACKAGE = re.compile(r"^\s*#\s*@package.*", re.MULTILINE)


class UsageError(ValueError):
    """What a person typed cannot be run; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(self.problems))


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file of plain scalars. Raises UsageError naming the file, and the line where it is known."""
    import yaml

    try:
        text, depth = path.read_bytes().decode("utf-8"), 0
        for event in yaml.parse(text):
            line = f"{path}: line {event.start_mark.line + 1}"
            if getattr(event, "anchor", None):
                raise UsageError([f"{line}: anchors and aliases are not allowed"])
            if any(word in str(getattr(event, "value", "")) for word in ("_target_", "${")):
                raise UsageError([f"{line}: _target_ and ${{...}} are not allowed"])
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise UsageError([f"{line}: nested too deeply; settings are lines of key: value"])
        if (header := PACKAGE.search(text)) is not None:
            raise UsageError([f"{path}: {header[0].strip()!r}: packages cannot be renamed; leave the line out"])
        loaded = yaml.load(text, Loader=_loader())
    except UnicodeDecodeError as error:
        raise UsageError([f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8"]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise UsageError([f"{path}: {where}{getattr(error, 'problem', None) or 'no YAML'}"]) from None
    except OSError as error:
        raise UsageError([f"{path}: cannot be read: {error.strerror}"]) from None
    if not isinstance(loaded, dict):
        raise UsageError([f"{path}: expected lines of key: value"])
    odd = [key for key in loaded if not isinstance(key, str)]
    if odd:
        raise UsageError([f"{path}: {key!r} is not the name of a setting; a key is text, such as depth" for key in odd])
    return loaded


@cache
def _loader() -> Any:
    """A safe loader that refuses a key given twice and reads 1e-5 as a number."""
    import yaml

    class Strict(yaml.SafeLoader):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise yaml.constructor.ConstructorError(None, None, "a key must be text", key.start_mark)
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value} is given twice", key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    number = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)[eE][-+]?\d+$")
    Strict.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    return Strict
