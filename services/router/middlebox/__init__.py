"""The isp's middlebox: picks forwarded packets by a rule and drops, loses, delays or changes them.

Pure: `packet` reads and rewrites IPv4 bytes, `faults` decides what happens to a packet, `notation` is the JSON that
faults come in, `rules` the iptables lines that fetch their packets. Doing: `interception` is the kernel's queue,
`__main__` the agent.
"""
