"""The tap: records every frame on every link of the lab, without loss, and cuts out visits by sentinels."""
