"""What a server says: a status and a JSON body. Imports nothing heavy."""

import json
from typing import NamedTuple


class Reply(NamedTuple):
    """An HTTP status and a JSON body."""

    status: int
    body: bytes


def refusal(status: int, problem: str, remedy: str | None = None) -> Reply:
    """An error for a client, as {error, remedy}."""
    return Reply(status, json.dumps({"error": problem, "remedy": remedy}).encode())
