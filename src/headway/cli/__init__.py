"""The command line. A command that fails prints one line and exits with status 1; results for scripts are JSON."""

import click

import headway
from headway.cli import (
    accounts,
    audit,
    backups,
    courses,
    demo,
    doctor,
    events,
    exports,
    keys,
    logs,
    mail,
    maintenance,
    privacy,
    progress,
    retention,
    rosters,
    serve,
    webhooks,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(headway.__version__)
def main() -> None:
    """Headway records what learners do and shows how far they are."""


main.add_command(serve.serve)
main.add_command(demo.demo)
main.add_command(accounts.user)
main.add_command(accounts.token)
accounts.user.add_command(privacy.erase_user)
main.add_command(privacy.erasure)
main.add_command(privacy.vacuum)
main.add_command(keys.key)
main.add_command(courses.course)
main.add_command(courses.import_)
courses.import_.add_command(logs.import_openedx)
courses.import_.add_command(logs.import_moodle)
courses.import_.add_command(rosters.import_roster)
main.add_command(progress.progress)
main.add_command(exports.export)
main.add_command(maintenance.migrate)
main.add_command(maintenance.verify)
main.add_command(maintenance.ready)
main.add_command(doctor.doctor)
main.add_command(backups.backup)
main.add_command(backups.restore)
main.add_command(events.events)
main.add_command(retention.retention)
main.add_command(audit.audit)
main.add_command(audit.keys)
main.add_command(webhooks.webhook)
main.add_command(mail.mail)
