"""From frames to a journey: what the lab's links carried, told step by step and backed by frames."""
