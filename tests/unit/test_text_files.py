"""Tables in the forms in which spreadsheets save them, and errors that name the line."""

import gzip
from pathlib import Path

import pytest

from headway.errors import Invalid
from headway.importers.oulad_files import Assessment, Course, OuladFolder
from headway.text_files import BadLine, Row, Source, find_encoding, is_rounded, open_table, read_cell, read_table

COURSES = "code_module,code_presentation,module_presentation_length\nAAA,2013J,268\nBBB,2013B,240\n"
READ = [Course(("AAA", "2013J"), 268), Course(("BBB", "2013B"), 240)]


def folder(path: Path, content: bytes, name: str = "courses.csv") -> OuladFolder:
    (path / name).write_bytes(content)
    return OuladFolder(path)


def quoted(text: str) -> str:
    return "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-sig", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(
    "text",
    [
        COURSES,
        COURSES.replace(",", ";"),
        COURSES.replace(",", "\t"),
        COURSES.replace(",", "|"),
        COURSES.replace(",", " , "),
        quoted(COURSES),
        quoted(COURSES).replace(",", ";"),
        "sep=;\n" + COURSES.replace(",", ";"),
        '"sep=\t"\n' + COURSES.replace(",", "\t"),
        "SEP=,,,\n" + COURSES,
        COURSES.replace("\n", ",,,\n"),
        COURSES.replace("\n", "\n\n") + ",,\n",
        COURSES.rstrip("\n"),
    ],
)
def test_a_table_is_read_in_every_form(tmp_path: Path, text: str, newline: str, encoding: str) -> None:
    content = text.replace("\n", newline)
    mark = "\ufeff" if encoding.endswith("be-sig") else ""

    assert folder(tmp_path, (mark + content).encode(encoding.replace("be-sig", "be"))).courses() == READ


def test_a_decimal_comma_is_read_where_it_separates_no_cells(tmp_path: Path) -> None:
    header = "code_module;code_presentation;id_assessment;assessment_type;date;weight\n"
    files = folder(tmp_path, f"{header}AAA;2013J;1;TMA;;12,5\nAAA;2013J;2;TMA;19;\n".encode(), "assessments.csv")

    assert files.assessments(("AAA", "2013J")) == [Assessment(1, "TMA", None, 12.5), Assessment(2, "TMA", 19, None)]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "courses.csv has no header in its first line"),
        (b"\n\n", "courses.csv has no header in its first line"),
        (b"\xef\xbb\xbf", "courses.csv has no header in its first line"),
        (b"sep=;\n", "courses.csv has no header in its first line"),
        (b"a,b\n1,2\n", "courses.csv, header has no column code_module, only a, b"),
        (b"a,a\n1,2\n", "courses.csv, line 1 names a column twice: a"),
        (b",,,\n1,2\n", "courses.csv, line 1 has no header that can be read"),
        (b"c" * 140_000 + b"\n1,2\n", "courses.csv, line 1 has no header that can be read"),
        (b'"' + b"c" * 140_000 + b'",d\n1,2\n', "courses.csv, line 1 has no header that can be read"),
        # Neither the wrong separators nor the comparison of all columns with each other may hold up who reads it.
        (b",".join(b"c%d" % each for each in range(125_000)), "courses.csv, line 1 has 125000 columns, more than 10000"),
        (COURSES.replace("268", "").encode(), "courses.csv, line 2, column module_presentation_length is missing"),
        (COURSES.replace(",268", "").encode(), "courses.csv, line 2, column module_presentation_length is missing"),
        (b"sep=,\r\n" + COURSES.replace("240", "x").encode(), "courses.csv, line 4, column module_presentation_length must be"),
        (COURSES.replace("240", "240,x").encode(), "courses.csv, line 3 has 4 cells, the header has 3"),
        (COURSES.replace("BBB", "BB\xcb").encode("cp1252"), "courses.csv, line 3 is not UTF-8 (byte 0xCB): save the file"),
        (COURSES.encode("utf-16-le"), "courses.csv is not text, or is UTF-16 without a byte order mark"),
        (COURSES.encode("utf-16")[:-1], "courses.csv is not valid UTF-16"),
        (COURSES.replace("BBB", '"BBB').encode(), "courses.csv, line 3 opens a quotation mark that is not closed"),
        *[
            (COURSES.replace("240", number).encode(), "courses.csv, line 3, column module_presentation_length must be")
            for number in ("1_0", "٣", "1e2", "2.5", "nan", "99999", "-99999", "9" * 5000, "0x10")
        ],
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, content: bytes, error: str) -> None:
    with pytest.raises(Invalid) as refused:
        folder(tmp_path, content).courses()

    (fault,) = refused.value.fields
    message = f"{fault.field} {fault.message}"
    assert message.startswith(error)
    assert len(message) < 250


@pytest.mark.parametrize("score", ["nan", "inf", "-1", "100.1", "1e400", "12,5"])
def test_a_score_that_is_none_is_refused(tmp_path: Path, score: str) -> None:
    header = "id_assessment,id_student,date_submitted,is_banked,score"
    files = folder(tmp_path, f'{header}\n1,2,3,0,"{score}"\n'.encode(), "studentAssessment.csv")

    with pytest.raises(Invalid, match="not valid") as refused:
        files.results({1})

    assert refused.value.fields[0].field == "studentAssessment.csv, line 2, column score"


def test_a_large_table_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_text("a,b\n" + "1,2\n" * 100_000)

    assert next(read_table(path)).cells == {"a": "1", "b": "2"}


@pytest.mark.parametrize("name", ["missing.csv", ""])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="not valid") as refused:
        list(read_table(tmp_path / name))

    assert refused.value.fields[0].message.startswith("cannot be read: ")


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("Zoë;Löwe\n".encode(), "utf-8"),
        ("Zoë;Löwe\n".encode("utf-8-sig"), "utf-8-sig"),
        ("Zoë;Löwe\n".encode("utf-16"), "utf-16"),
        ("Zoë;Löwe\n".encode("latin-1"), "cp1252"),
        ("“Zoë” … 5 €\n".encode("cp1252"), "cp1252"),
        (b"a" * 70_000 + "ë".encode() + b"\n", "utf-8"),
        (b"a" * 65_535 + "ë".encode() + b"\n", "utf-8"),
        (b"a" * 70_000 + "ë\n".encode("cp1252"), "cp1252"),
    ],
)
def test_an_encoding_is_found_wherever_the_file_shows_it(tmp_path: Path, content: bytes, encoding: str) -> None:
    path = tmp_path / "names.csv"
    path.write_bytes(content)

    assert find_encoding(Source.of(path)) == encoding


def test_a_named_encoding_is_taken_unless_the_file_has_a_mark(tmp_path: Path) -> None:
    plain, marked = tmp_path / "plain.csv", tmp_path / "marked.csv"
    plain.write_bytes("Łódź\n".encode("cp1250"))
    marked.write_bytes("Łódź\n".encode("utf-8-sig"))

    assert find_encoding(Source.of(plain), "windows-1250") == "windows-1250"
    assert find_encoding(Source.of(marked), "windows-1250") == "utf-8-sig"


@pytest.mark.parametrize(
    ("content", "encoding", "error"),
    [
        (b"\x81\x8d\n", None, "names.csv is neither UTF-8 nor Windows-1252"),
        (b"a\n", "klingon", "encoding 'klingon' is not the name of an encoding"),
        (b"a\n", "base64", "encoding 'base64' is not the name of an encoding"),
    ],
)
def test_an_encoding_that_is_none_is_named(tmp_path: Path, content: bytes, encoding: str | None, error: str) -> None:
    path = tmp_path / "names.csv"
    path.write_bytes(content)

    with pytest.raises(Invalid) as refused:
        find_encoding(Source.of(path), encoding)

    (fault,) = refused.value.fields
    assert f"{fault.field} {fault.message}".startswith(error)


def test_a_table_in_windows_1252_has_its_letters(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_bytes("Name;Preis\nZoë;5 €\n".encode("cp1252"))
    source = Source.of(path)

    with open_table(source, find_encoding(source)) as table:
        (row,) = table.lines

    assert isinstance(row, Row)
    assert row.cells == {"Name": "Zoë", "Preis": "5 €"}


def test_a_bad_line_costs_the_others_nothing(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('a,b\n1,2\n3,"4"x\n5,6,7\n"8\n9",10\n11,12\n')

    with open_table(Source.of(path), "utf-8") as table:
        lines = list(table.lines)

    assert [line.line for line in lines] == [2, 3, 4, 5, 7]
    assert [isinstance(line, BadLine) for line in lines] == [False, True, True, False, False]
    assert isinstance(lines[3], Row)
    assert lines[3].cells == {"a": "8\n9", "b": "10"}


def test_a_compressed_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress("\ufeffa;b\n1;2\n".encode()))

    assert [row.cells for row in read_table(path)] == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("content", [gzip.compress(b"a,b\n1,2\n" * 99)[:-9], b"no gzip"], ids=["cut off", "not compressed"])
def test_a_damaged_compressed_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(content)

    with pytest.raises(Invalid) as refused:
        list(read_table(path))

    assert refused.value.fields[0].field == "table.csv.gz"


def test_a_file_without_lines_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "zeros.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"a,b\n")
        file.writelines(b"0" * 1_000_000 for _ in range(20))

    with pytest.raises(Invalid) as refused:
        list(read_table(path))

    assert refused.value.fields[0].field == "zeros.csv.gz, line 2"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        (" 12 ", "12"),
        ('="0012"', "0012"),
        ("'=SUM(A1)", "=SUM(A1)"),
        ("'-1", "-1"),
        ("'t Hooft", "'t Hooft"),
        ('="a"b"', '="a"b"'),
        ("", ""),
    ],
)
def test_a_cell_is_read_as_its_spreadsheet_shows_it(text: str, cell: str) -> None:
    assert read_cell(text) == cell


@pytest.mark.parametrize(("text", "rounded"), [("1.23457E+11", True), ("1,2E+15", True), ("E+11", False), ("1E5", False)])
def test_a_number_that_a_spreadsheet_rounded_is_noticed(text: str, *, rounded: bool) -> None:
    assert is_rounded(text) is rounded
