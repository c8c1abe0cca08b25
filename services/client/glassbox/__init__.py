"""The glass box: TLS 1.2 and 1.3 written out, so that every value on the way is seen.

    offer ──▶ client ──▶ client13, client12 ──▶ secrets13 ──▶ keyschedule (hashes, tls12, tls13)
                │              │                                    │
                ▼              ▼                                    ▼
            connection     messages, extensions, signatures     intermediate (name, section, value)
                │
                └──▶ records, presentation, alerts, events

All of it is pure but `errand` and `__main__`: bytes in, events and bytes out. Primitives come from `cryptography`.
"""
