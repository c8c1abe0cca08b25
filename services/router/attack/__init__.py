"""What a dishonest isp could do to its customers, so that tests can show which of it HTTPS stops.

It works inside the lab only (`boundary`), on request only, one thing at a time or together (`orders`), and undoes all
of it. Pure: `boundary`, `orders`, `arp`, `forgery`, `stripping`, `redirection`. Doing: `claiming` (ARP),
`forging_resolver` (DNS), `impostor` and `stripping_proxy` (HTTP), `campaign`, which starts and ends them, and
`requests`, the agent's part.
"""

from __future__ import annotations

PURPOSE = "This is an isp that attacks its own customers, in a lab without a way out, to show what HTTPS stops."
