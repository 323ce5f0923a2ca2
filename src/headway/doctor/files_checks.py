"""Files and disks: room, rights, what kind of disk it is, who owns the database, and open files."""

import os
import resource
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from headway.db.sqlite import owner_of
from headway.doctor.patient import Area, Patient
from headway.health.findings import Found, ok, problem, warning
from headway.http.connections import needed_descriptors

area = Area("Files")

MOUNTS = Path("/proc/self/mountinfo")
"""Where Linux lists file systems (proc_pid_mountinfo(5))."""
_LITTLE, _MUCH_TOO_LITTLE = 1_000_000_000, 100_000_000
_FEW_INODES = 1_000
_LONG_LOG = 1_000_000_000
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "virtiofs"}
)
_OF_CONTAINERS = frozenset({"overlay", "aufs"})
_ESCAPES = {r"\040": " ", r"\011": "\t", r"\012": "\n", r"\134": "\\"}


def places(patient: Patient) -> dict[str, Path]:
    """Return the folders that Headway writes to, by what they hold."""
    settings = patient.settings
    found = {"temporary files": Path(tempfile.gettempdir())}
    if settings.is_sqlite:
        found["the database"] = settings.sqlite_path.resolve().parent
    if settings.backup_folder is not None:
        found["backups"] = Path(settings.backup_folder)
    return found


@area.check("Room", why="On a full disk nothing is stored; requests that write are answered with 503.")
async def room(patient: Patient) -> list[Found]:
    """Look at the free bytes and inodes of each disk."""
    found = list(full_disks(places(patient)))
    return found or [ok("There is room on every disk that Headway writes to.")]


def full_disks(folders: Mapping[str, Path]) -> Iterator[Found]:
    """Look at the disks of folders, by what they hold."""
    for holds, folder in folders.items():
        if not folder.is_dir():
            continue
        free = shutil.disk_usage(folder).free
        inodes = os.statvfs(folder)
        if free < _LITTLE:
            report = problem if free < _MUCH_TOO_LITTLE else warning
            yield report(f"{free / 1_000_000:,.0f} MB are free for {holds} in {folder}.", "Free some space, or move it.")
        if inodes.f_files and inodes.f_favail < _FEW_INODES:
            yield problem(
                f"{inodes.f_favail} inodes are free for {holds} in {folder}.", "Remove files: no new one can be made."
            )


@area.check("Rights", why="What cannot be written is not stored; what others can read is not private.")
async def rights(patient: Patient) -> list[Found]:
    """Look at the rights of folders and of the database."""
    found = list(_unwritable(patient))
    if patient.settings.is_sqlite and os.access(patient.settings.sqlite_path.parent, os.X_OK):
        found += _exposed(patient.settings.sqlite_path.resolve())
    return found or [ok("The folders can be written, and the database is its owner's only.")]


def _unwritable(patient: Patient) -> Iterator[Found]:
    for holds, folder in places(patient).items():
        if not folder.exists():
            # `serve` makes that of the database.
            if holds != "the database" or not _can_be_made(folder):
                yield problem(f"There is no folder {folder} for {holds}.", "Create it, for the account that runs Headway.")
        elif not os.access(folder, os.W_OK | os.X_OK) or os.statvfs(folder).f_flag & os.ST_RDONLY:
            yield problem(f"{folder} cannot be written, which holds {holds}.", f"chown it to the account {_account()}.")


def _can_be_made(folder: Path) -> bool:
    above = next(each for each in folder.parents if each.exists())
    return above.is_dir() and os.access(above, os.W_OK | os.X_OK) and above.stat().st_dev != Path("/proc").stat().st_dev


def _exposed(path: Path) -> Iterator[Found]:
    for file in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", ".lock"))):
        if not file.is_file():
            continue
        status = file.stat()
        if status.st_uid != os.geteuid():
            yield problem(
                f"{file} belongs to the account {status.st_uid}, and this is {_account()}.",
                "Run commands as the account of the server, or what they create locks the server out.",
            )
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield warning(f"{file} has the mode {stat.S_IMODE(status.st_mode):03o}.", f"chmod 600 {file}")


def _account() -> int:
    return os.geteuid()


@area.check(
    "Kind of disk", why="SQLite's locks and its shared memory do not work on network file systems: the file is damaged."
)
async def kind_of_disk(patient: Patient) -> Found | None:
    """Look at the file system of a SQLite database."""
    if not patient.settings.is_sqlite or (mounts := _mounts()) is None:
        return None
    folder = patient.settings.sqlite_path.resolve().parent
    kind = file_system_of(folder, mounts)
    if kind in _NETWORK:
        return problem(
            f"{folder} is on a network file system ({kind}).", "Move the database to a local disk, or use PostgreSQL."
        )
    if kind in _OF_CONTAINERS:
        return warning(f"{folder} is in the layer of a container ({kind}), which is removed with it.", "Mount a volume there.")
    return ok(f"{folder} is on a local disk ({kind}).")


def _mounts() -> str | None:
    return MOUNTS.read_text() if MOUNTS.exists() else None


def file_system_of(folder: Path, mounts: str) -> str:
    """Return the file system of a folder by the lines of MOUNTS: the last one on the longest path counts."""
    best, kind = -1, "unknown"
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = fields[4]
        for escape, meant in _ESCAPES.items():
            point = point.replace(escape, meant)
        if folder.is_relative_to(point) and len(point) >= best:
            best, kind = len(point), after.split()[0]
    return kind


@area.check("Owner", why="One server process owns a SQLite file: a second one does not start.", before_serving=True)
async def owner(patient: Patient) -> Found | None:
    """Look for the server that runs on the file."""
    if not patient.settings.is_sqlite or not patient.settings.sqlite_path.exists():
        return None
    try:
        process = owner_of(patient.settings.sqlite_path)
    except PermissionError:
        # The check of the rights says so.
        return None
    return ok("No server runs on the file." if process is None else f"A server runs on the file ({process}).")


@area.check("Write-ahead log", why="A log that is never folded into the file fills the disk and slows reads down.")
async def log_size(patient: Patient) -> Found | None:
    """Look at the length of SQLite's log."""
    path = patient.settings.sqlite_path.resolve()
    log = path.with_name(f"{path.name}-wal")
    if not patient.settings.is_sqlite or not log.exists():
        return None
    size = log.stat().st_size
    if size > _LONG_LOG:
        return warning(
            f"{log} has {size / 1_000_000:,.0f} MB: something reads an old snapshot.",
            "Look for a program that keeps the file open, such as a shell of sqlite3.",
        )
    return ok(f"{size / 1_000_000:,.1f} MB wait to be folded into the file.")


@area.check("Open files", why="Each connection takes a descriptor: with fewer, fewer clients are served at once.")
async def open_files(patient: Patient) -> Found:
    """Look at the limit of open files."""
    needed = needed_descriptors(patient.settings)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = soft if patient.in_server else hard
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return ok(f"{needed} files are needed, and may be open.")
    return warning(
        f"At most {limit} files may be open, and HEADWAY_MAX_CONNECTIONS of {patient.settings.max_connections} needs {needed}.",
        "Raise the hard limit (LimitNOFILE= of systemd, ulimit -Hn), or lower the setting.",
    )
