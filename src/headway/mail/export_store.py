"""What is told of the mails to a person."""

from headway.db.personal import TableSection
from headway.mail.tables import mails

SECTIONS = [
    TableSection("mails", mails, ["id"], without={"letter": "what is still to be sent, with the secret of its link"}),
]
