"""Forms: what browsers send as `application/x-www-form-urlencoded`, decoded into structs, and shown again when refused.

A form with a file comes as `multipart/form-data`.
"""

from typing import Any, NamedTuple, get_origin
from urllib.parse import parse_qs, urlencode

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header  # type: ignore[import-untyped]

from headway.errors import FieldError, Invalid
from headway.http.contract import Problem
from headway.http.decoding import NUL, describe
from headway.text import nfc

FORM_TYPE = "application/x-www-form-urlencoded"
FILE_FORM_TYPE = "multipart/form-data"
_FILE = "file"
_MAX_VALUES = 2_000
_MAX_PARTS = 50
_MAX_FILE_NAME = 200


class SentFile(NamedTuple):
    """A file that came with a form."""

    name: str
    content: bytes


class Failed(NamedTuple):
    """A form that was refused: what was typed, and why."""

    values: dict[str, list[str]]
    message: str
    code: str
    errors: dict[str, str]
    """By field; the fields of nested lists, such as `units[2].title`, too."""

    @classmethod
    def of(cls, problem: Problem, body: bytes) -> "Failed":
        """Return the form whose body met a problem."""
        errors = {each.field: each.message for each in reversed(problem.fields)}
        # What is not UTF-8 could not be shown.
        return cls(_values(body, errors="replace"), problem.message, problem.code, errors)

    def value(self, name: str) -> str:
        """Return what was typed into a field."""
        return self.values.get(name, [""])[0]


def split_file(content_type: str, body: bytes) -> tuple[bytes, SentFile | None]:
    """Split a form with a file into its other fields, urlencoded, and the file. Raises Invalid for what is no such form."""
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    fields: list[tuple[str, bytes]] = []
    file: SentFile | None = None
    segment: MultipartSegment | None = None
    parts: list[bytes] = []
    try:
        with PushMultipartParser(boundary, max_segment_count=_MAX_PARTS) as parser:
            for event in (*parser.parse(body), *parser.parse(b"")):
                if isinstance(event, MultipartSegment):
                    segment, parts = event, []
                elif event:
                    parts.append(bytes(event))
                elif segment is not None:
                    content = b"".join(parts)
                    if segment.name == _FILE:
                        # Browsers of before 2010 sent the path.
                        name = (segment.filename or "").replace("\\", "/").rpartition("/")[2]
                        file = SentFile(name[:_MAX_FILE_NAME] or _FILE, content)
                    else:
                        fields.append((segment.name, content))
    except (MultipartError, ValueError, TypeError) as error:
        raise Invalid.field("form", f"is not {FILE_FORM_TYPE}: {error}") from error
    return urlencode(fields).encode(), file


def decode_form(body: bytes, kind: type[msgspec.Struct]) -> Any:
    """Decode a form, or the query of a page, into a struct; an empty text is no value. Raises Invalid naming every field.

    A field whose type is a list takes all values of its name, another one the first.
    """
    values = _values(body)
    decoded: dict[str, Any] = {}
    errors: list[FieldError] = []
    for field in msgspec.structs.fields(kind):
        texts = [nfc(each) for each in values.get(field.encode_name, []) if each != ""]
        if not texts:
            if field.required:
                errors.append(FieldError(field.encode_name, "is required"))
            continue
        if any("\0" in each or any("\ud800" <= character <= "\udfff" for character in each) for each in texts):
            errors.append(FieldError(field.encode_name, NUL if "\0" in "".join(texts) else "must be UTF-8"))
            continue
        try:
            value: Any = texts if get_origin(field.type) is list else texts[0]
            decoded[field.name] = msgspec.convert(value, field.type, strict=False)
        except msgspec.ValidationError as error:
            errors.append(FieldError(field.encode_name, describe(str(error))))
    if errors:
        raise Invalid(errors)
    return kind(**decoded)


def _values(body: bytes, *, errors: str = "surrogateescape") -> dict[str, list[str]]:
    """Parse a form; bytes that are not UTF-8 become surrogates, or U+FFFD with `errors="replace"`. Raises Invalid."""
    try:
        return parse_qs(body.decode(errors=errors), keep_blank_values=True, errors=errors, max_num_fields=_MAX_VALUES)
    except ValueError:
        raise Invalid.field("form", f"must not have more than {_MAX_VALUES} values") from None
