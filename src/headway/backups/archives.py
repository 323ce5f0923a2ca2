"""The files of archived events that belong to a backup."""

import shutil
from pathlib import Path

from headway.backups import files
from headway.backups.model import ArchiveFile
from headway.db.private_files import sync_folder
from headway.errors import OperatorError


def copy_archives(archives: list[ArchiveFile], folder: Path, archives_folder: Path | None) -> list[str]:
    """Copy the files of archived events that a folder does not have yet; return their names. Raises OperatorError, OSError.

    They are in `archives_folder`, or else where they were written.

    Archives never change, so each is copied once, however many backups refer to it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    copied = []
    for archive in archives:
        source = Path(archive.file) if archives_folder is None else archives_folder / Path(archive.file).name
        target = folder / source.name
        if target.exists() and target.stat().st_size == archive.size_bytes and files.sha256_of(target) == archive.sha256:
            continue
        files.check_room(folder, archive.size_bytes)
        with files.draft_folder(target) as drafts:
            draft = drafts / target.name
            if files.copy_file(source, draft) != archive.sha256:
                raise OperatorError(f"{source} is not the archive that was written: {archive.events} events are at stake.")
            draft.replace(target)
        described = source.with_name(f"{source.name}.json")
        if described.exists():
            shutil.copy(described, folder)
        copied.append(target.name)
    sync_folder(folder)
    return copied
