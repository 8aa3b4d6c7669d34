"""A YAML file is read, and what is wrong with it is said in a sentence: file, line or key, remedy."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from servers.errors import SettingsError

EMPTY = ("dict_type", "model_type", "model_attributes_type", "dataclass_type")
"""What pydantic calls a value that should have had keys."""
HALF_UNCOMMENTED = "take the # from every line of an example, the one with its name too, or from none"
Content = TypeVar("Content")


def read_yaml(path: Path, kind: type[Content], *, setting: str) -> Content:
    """The content, checked. Raises SettingsError naming the file, and the line, key or setting at fault."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        return TypeAdapter(kind).validate_python(content)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror} ({setting})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not text in UTF-8 ({setting})") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: {not_yaml(error)}") from None
    except ValidationError as error:
        raise SettingsError(f"{path}: {_not_valid(error)}") from None


def not_yaml(error: yaml.YAMLError) -> str:
    """For the end of a sentence that names the file."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark is not None else ""
    problem = " ".join(str(getattr(error, "problem", None) or error).split())
    if problem.startswith(("expected <block end>", "mapping values")):
        problem = "it is not indented as the lines are that it stands with"
    return f"not YAML: {where}{problem}"


def _not_valid(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] in EMPTY and fault["input"] is None:
        return f"{key or 'the file'}: has nothing below it: {HALF_UNCOMMENTED}"
    if fault["type"] == "missing":
        return f"{key}: is missing: {HALF_UNCOMMENTED}"
    if fault["type"] == "extra_forbidden":
        return f"{key}: there is no such key"
    return f"{key}: {fault['msg']}"


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML's own loader would take the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[str, int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in lines:
                first = f"{key.value!r} is there twice, the first time in line {lines[key.value]}"
                problem = f"{first}: {HALF_UNCOMMENTED}"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep=deep)
