"""The lab's second HTTP/3 server. `answers` is pure; `server` speaks QUIC, `__main__` is the program."""
