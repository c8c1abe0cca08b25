"""The Echo Protocol (RFC 862) over UDP and TCP."""
