"""What the lab's Python hosts share: the control network's JSON agent, a DNS server's sockets, the spool's format."""
