"""Rosters to import, made by hand after the tables of the OneRoster CSV binding, versions 1.1 and 1.2."""

import csv
import io
import zipfile
from pathlib import Path

HEADERS = {
    "manifest": ["propertyName", "value"],
    "orgs": ["sourcedId", "status", "dateLastModified", "name", "type", "identifier", "parentSourcedId"],
    "academicSessions": [
        *("sourcedId", "status", "dateLastModified", "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear"),
    ],
    "courses": [
        *("sourcedId", "status", "dateLastModified", "schoolYearSourcedId", "title", "courseCode", "grades", "orgSourcedId"),
        *("subjects", "subjectCodes"),
    ],
    "classes": [
        *(
            "sourcedId",
            "status",
            "dateLastModified",
            "title",
            "grades",
            "courseSourcedId",
            "classCode",
            "classType",
            "location",
        ),
        *("schoolSourcedId", "termSourcedIds", "subjects", "subjectCodes", "periods"),
    ],
    "users": [
        *(
            "sourcedId",
            "status",
            "dateLastModified",
            "enabledUser",
            "orgSourcedIds",
            "role",
            "username",
            "userIds",
            "givenName",
        ),
        *("familyName", "middleName", "identifier", "email", "sms", "phone", "agentSourcedIds", "grades", "password"),
    ],
    "enrollments": [
        *("sourcedId", "status", "dateLastModified", "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary"),
        *("beginDate", "endDate"),
    ],
    "roles": [
        *("sourcedId", "status", "dateLastModified", "userSourcedId", "roleType", "role", "beginDate", "endDate"),
        *("orgSourcedId", "userProfileSourcedId"),
    ],
}
Row = dict[str, str]


class OneRosterFiles:
    """The files of a school: a teacher, and learners in a class of algebra. Rows are dicts; change them before writing."""

    def __init__(self, learners: int = 3, *, mode: str = "bulk", version: str = "1.1") -> None:
        self.version = version
        self.mode = mode
        self.tables: dict[str, list[Row]] = {
            "orgs": [{"sourcedId": "org-1", "name": "Ada Lovelace School", "type": "school"}],
            "academicSessions": [
                *(
                    {
                        "sourcedId": "year",
                        "title": "2026/27",
                        "type": "schoolYear",
                        "startDate": "2026-08-01",
                        "endDate": "2027-07-31",
                    },
                ),
                *(
                    {
                        "sourcedId": "autumn",
                        "title": "Autumn",
                        "type": "term",
                        "startDate": "2026-09-01",
                        "endDate": "2026-12-18",
                    },
                ),
                *(
                    {
                        "sourcedId": "spring",
                        "title": "Spring",
                        "type": "term",
                        "startDate": "2027-01-11",
                        "endDate": "2027-03-26",
                    },
                ),
            ],
            "courses": [{"sourcedId": "algebra", "title": "Algebra", "orgSourcedId": "org-1", "subjects": "Mathematics"}],
            "classes": [
                {
                    "sourcedId": "class-1",
                    "title": "Algebra 7b",
                    "courseSourcedId": "algebra",
                    "classType": "scheduled",
                    "schoolSourcedId": "org-1",
                    "termSourcedIds": "autumn,spring",
                }
            ],
            "users": [],
            "enrollments": [],
        }
        self.person("t-1", "Grace", "Hopper", "teacher")
        self.enroll("t-1", role="teacher", primary="true")
        for n in range(1, learners + 1):
            self.person(f"s-{n}", f"Learner {n}", "Example", "student")
            self.enroll(f"s-{n}")

    def person(self, key: str, given: str, family: str, role: str, **cells: str) -> Row:
        row = {
            "sourcedId": key,
            "givenName": given,
            "familyName": family,
            "email": f"{key}@school.example",
            "enabledUser": "true",
        }
        row |= {"role": role, "username": key, "orgSourcedIds": "org-1"} | cells
        self.tables["users"].append(row)
        return row

    def enroll(self, user: str, course: str = "class-1", **cells: str) -> Row:
        row = {"sourcedId": f"e-{course}-{user}", "classSourcedId": course, "schoolSourcedId": "org-1", "userSourcedId": user}
        row |= {"role": "student", "primary": "false"} | cells
        self.tables["enrollments"].append(row)
        return row

    def row(self, table: str, key: str) -> Row:
        return next(row for row in self.tables[table] if row["sourcedId"] == key)

    def remove_enrollment(self, user: str) -> None:
        self.tables["enrollments"] = [row for row in self.tables["enrollments"] if row["userSourcedId"] != user]

    @property
    def manifest(self) -> list[Row]:
        modes = {name: self.mode if name in self.tables else "absent" for name in [*HEADERS, "demographics", "results"]}
        del modes["manifest"]
        properties = {"manifest.version": "1.0", "oneroster.version": self.version, "source.systemName": "School office"}
        properties |= {f"file.{name}": mode for name, mode in modes.items()}
        return [{"propertyName": name, "value": value} for name, value in properties.items()]

    def texts(self) -> dict[str, str]:
        """The text of each file, by its name."""
        found = {}
        for name, rows in {"manifest": self.manifest, **self.tables}.items():
            extra = {column for row in rows for column in row} - set(HEADERS[name])
            file = io.StringIO()
            writer = csv.DictWriter(file, [*HEADERS[name], *sorted(extra)], restval="")
            writer.writeheader()
            writer.writerows(rows)
            found[f"{name}.csv"] = file.getvalue()
        return found

    def write(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        for name, text in self.texts().items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
        return folder

    def zip(self) -> bytes:
        return zipped({name: text.encode() for name, text in self.texts().items()})


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip of files by their names."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()
