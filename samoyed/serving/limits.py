"""What one server takes at most. Times are in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Args:
    body: Bytes of one request's body.
    headers: Bytes of one request's headers.
    header_time: Time for the headers to arrive.
    body_time: Time for the body to arrive.
    deadline: Time from a request's arrival to its answer; what waits longer is never computed.
    waiting: Requests that wait for their turn; more are refused at once.
    together: Examples that are computed as one batch.
    delay: Time for which the first of a batch waits for company. At 0 a batch is what came while the last one was computed.
    grace: Time that requests in flight have to end after a signal.
    most_option: The largest whole number that a request may set, such as the length of a text.
    connections: Connections that are open at once.
    streams: Answers that are sent piece by piece at once; they take turns with the model, token by token.
    """

    body: int = 16 * 2**20
    headers: int = 32 * 2**10
    header_time: float = 10.0
    body_time: float = 30.0
    deadline: float = 10.0
    waiting: int = 512
    together: int = 64
    delay: float = 0.0
    grace: float = 10.0
    most_option: int = 2000
    connections: int = 2000
    streams: int = 16
