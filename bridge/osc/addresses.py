"""Every OSC address: what it takes, what it means. The endpoint answers to exactly these; a test compares."""

ROOT = "/stemweave"

ADDRESSES: dict[str, tuple[str, str]] = {
    "/ping": ("", "answered by /stemweave/pong"),
    "/version": ("", "answered by /stemweave/version package protocol"),
    "/status": ("", "answered by /stemweave/status queued running done failed cancelled"),
    "/models": ("", "answered by /stemweave/models name ..."),
    "/separate": (
        "path outdir [seed]",
        "separate a file of this machine into outdir/STEM.wav; answered by /stemweave/job/accepted id",
    ),
    "/job/cancel": ("id", "stop a job"),
}
"""Understood: address under ROOT to (arguments, meaning). Numbers may come as int, float or text; a seed is best sent as text."""

REPLIES: dict[str, str] = {
    "/pong": "",
    "/version": "package protocol",
    "/status": "queued running done failed cancelled",
    "/models": "name ...",
    "/job/accepted": "id",
    "/job/progress": "id fraction",
    "/job/stem": "id name path",
    "/job/done": "id",
    "/job/cancelled": "id",
    "/job/error": "id code text",
    "/error": "code text",
}
"""Sent, to the address and port the request came from."""
