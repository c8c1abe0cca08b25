"""The lab's second HTTP/3 server. `answers` is pure; `__main__` serves."""
