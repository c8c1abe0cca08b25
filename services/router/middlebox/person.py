"""What a person gets to read of the faults in force, and how several are asked for in one line. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_SENTENCES = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^;"]|")+')
_MOST_TOUCHES_SHOWN = 20


def sentences(said: str) -> list[str]:
    """The sentences in `said`, which has semicolons between them; "none" is no sentence, and asks for no fault."""
    found = [part.strip() for part in _SENTENCES.findall(said)]
    return [] if found == ["none"] else [part for part in found if part]


def told(report: Mapping[str, Any]) -> str:
    """The agent's report (`report.as_json`) as lines."""
    lines: list[str] = []
    for index, fault in enumerate(report["faults"]):
        lines.append(f"{fault['sentence']}: looked at {fault['matched']}, touched {fault['touched']}")
        touches = [touch for touch in report["touches"] if touch["fault"] == index]
        lines += [f"  {_touch(touch)}" for touch in touches[:_MOST_TOUCHES_SHOWN]]
        if len(touches) > _MOST_TOUCHES_SHOWN:
            lines.append(f"  and {len(touches) - _MOST_TOUCHES_SHOWN} more")
    return "\n".join(lines or ["no fault in force"]) + "\n"


def _touch(touch: Mapping[str, Any]) -> str:
    ends = " -> ".join(_end(touch[side]) for side in ("from", "to"))
    sequence = touch["sequence_number"]
    numbers = f"ip.id {touch['identification']:#06x}" + ("" if sequence is None else f", tcp.seq_raw {sequence}")
    return f"{touch['action']}: {touch['protocol']} {ends}, {touch['payload_length']} bytes, {numbers}"


def _end(end: Mapping[str, Any]) -> str:
    return f"{end['host'] or end['address']}:{end['port']}"


def order(said: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The agent's request for the words of the command line: none show, "none" takes away, others ask for faults."""
    if not said:
        return "GET", {}
    wanted = sentences("; ".join(said))
    return ("POST", {"faults": wanted}) if wanted else ("DELETE", {})
