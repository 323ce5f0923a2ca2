"""What is told of a person's messages, sent and received."""

from headway.db.personal import TableSection
from headway.messaging.tables import conversations, messages

SECTIONS = [
    TableSection("conversations", conversations, ["peer_id"], people=["peer"]),
    TableSection("messages", messages, ["peer_id", "id"], people=["peer"]),
]
