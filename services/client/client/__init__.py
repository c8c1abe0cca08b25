"""The client's visit agent: has curl, Chromium or aioquic fetch a page as asked over the control network.

Pure: `visit` (what a visit is and yields), `visit_request` (reading one from JSON), `destinations` (what may be
addressed), `curl_command`, `curl_report`, `chromium_command`, `cdp` (DevTools messages), `page_events`, `rendering`,
`hops`, `tcp_connections` and the two ways to list them, `sock_diag` and `proc_net_tcp`.
Doing: `curl`, `browser`, `browser_process`, `quic` (aioquic), `trust`, `closing`, `probes`; `__main__` is the agent.
`tcp_twin` is a program of its own, for tests that run it as root.
"""
