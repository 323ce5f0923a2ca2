"""An export of a person's data as whoever gets it sees it: the files of the archive, unpacked."""

import hashlib
import io
import json
import zipfile
from typing import Any

import httpx

Rows = list[dict[str, Any]]


class PersonalArchive:
    """The archive, after its checksums were compared with its manifest."""

    def __init__(self, content: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as unpacked:
            assert unpacked.testzip() is None
            self.files = {name: unpacked.read(name) for name in unpacked.namelist()}
        self.manifest: dict[str, Any] = json.loads(self.files["manifest.json"])
        self.page = self.files["index.html"].decode()
        self.text = b"\n".join(self.files.values()).decode()
        self.sections: dict[str, Rows] = {}
        listed = {each["name"]: each for each in self.manifest["files"]}
        assert set(listed) == set(self.files) - {"manifest.json"}
        for name, file in self.files.items():
            if name == "manifest.json":
                continue
            assert listed[name]["sha256"] == hashlib.sha256(file).hexdigest()
            assert listed[name]["bytes"] == len(file)
            if name != "index.html":
                rows = json.loads(file)
                assert len(rows) == listed[name]["records"]
                self.sections.setdefault(listed[name]["section"], []).extend(rows)

    @classmethod
    def of(cls, answer: httpx.Response) -> "PersonalArchive":
        """Unpack what a server sent."""
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/zip"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Content-Encoding" not in answer.headers
        return cls(answer.content)
