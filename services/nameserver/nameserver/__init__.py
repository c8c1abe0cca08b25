"""An authoritative name server: zones in master files, answers by RFC 1034 4.3.2."""
