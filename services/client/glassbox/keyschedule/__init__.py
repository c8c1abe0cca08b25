"""The key schedules of TLS 1.2 (RFC 5246, 7627) and TLS 1.3 (RFC 8446), value by value. Pure."""
