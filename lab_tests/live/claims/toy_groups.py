"""Diffie-Hellman in groups so small that search breaks them: how long it takes, per bit, and where that leads.

Groups are the squares modulo a safe prime. Their order is prime: no shortcut by its factors exists (RFC 7919, 5.1).
The clock comes from the caller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

_WITNESSES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)  # enough below 3.3e24 (Sorenson and Webster, 2015)


@dataclass(frozen=True, slots=True)
class ToyGroup:
    """Order q, prime p = 2q + 1, generator g of the squares."""

    p: int
    g: int

    @property
    def q(self) -> int:
        return self.p // 2

    @property
    def bits(self) -> int:
        return self.p.bit_length()


def toy_group(bits: int) -> ToyGroup:
    """The group of the first safe prime of `bits` bits after its middle."""
    for p in count((3 << (bits - 2)) | 3, 4):
        if _is_prime(p // 2) and _is_prime(p):
            return ToyGroup(p, 4)
    raise AssertionError("count does not end")


def _is_prime(n: int) -> bool:
    """Miller-Rabin with fixed witnesses."""
    if n < 2 or any(n % witness == 0 for witness in _WITNESSES):
        return n in _WITNESSES
    twos = ((n - 1) & -(n - 1)).bit_length() - 1
    odd = (n - 1) >> twos
    for witness in _WITNESSES:
        power = pow(witness, odd, n)
        if power in (1, n - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % n
            if power == n - 1:
                break
        else:
            return False
    return True


def by_trial(group: ToyGroup, public: int) -> int:
    """The private value, by trying one after the other: q/2 multiplications on average."""
    power = 1
    for exponent in range(group.q):
        if power == public:
            return exponent
        power = power * group.g % group.p
    raise ValueError("no element of this group")


def by_giant_steps(group: ToyGroup, public: int) -> int:
    """The private value, by Shanks's baby steps and giant steps: 2 sqrt(q) multiplications, and sqrt(q) of memory."""
    width = math.isqrt(group.q) + 1
    steps, power = {}, 1
    for exponent in range(width):
        steps[power] = exponent
        power = power * group.g % group.p
    giant = pow(group.g, -width, group.p)
    at = public
    for number in range(width + 1):
        if at in steps:
            return number * width + steps[at]
        at = at * giant % group.p
    raise ValueError("no element of this group")


@dataclass(frozen=True, slots=True)
class Broken:
    """One group broken: its size, and how long that took in seconds."""

    bits: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Growth:
    """log2(seconds) = slope * bits + start, by least squares."""

    slope: float
    start: float

    def log2_seconds(self, bits: float) -> float:
        return self.slope * bits + self.start


def growth(broken: Sequence[Broken]) -> Growth:
    """The line through the logarithms."""
    xs = [each.bits for each in broken]
    ys = [math.log2(each.seconds) for each in broken]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum((x - mean_x) ** 2 for x in xs)
    return Growth(slope, mean_y - slope * mean_x)


Search = Callable[[ToyGroup, int], int]


def timed(clock: Callable[[], float], search: Search, group: ToyGroup, public: int) -> tuple[int, float]:
    """What `search` finds, and the seconds it took."""
    began = clock()
    found = search(group, public)
    return found, clock() - began


def years(log2_seconds: float) -> str:
    """As a power of ten."""
    exponent = log2_seconds * math.log10(2) - math.log10(365.25 * 24 * 3600)
    return f"10^{exponent:.0f} years" if exponent > 0 else f"{2**log2_seconds:.3g} s"


def table(trials: Sequence[Broken], giants: Sequence[Broken]) -> str:
    """The measured times, a bar per octave."""
    lines = ["  bits   trial s   giant steps s   (a # per doubling of the latter, from 1 us)"]
    tried = {each.bits: each.seconds for each in trials}
    for each in giants:
        bar = "#" * max(0, round(math.log2(each.seconds * 1e6)))
        trial = f"{tried[each.bits]:9.4f}" if each.bits in tried else " " * 9
        lines.append(f"  {each.bits:4} {trial}   {each.seconds:13.5f}   {bar}")
    return "\n".join(lines) + "\n"


def plot(trials: Sequence[Broken], giants: Sequence[Broken]) -> str:
    """An SVG: seconds (logarithmic) over bits, with both lines through them."""
    width, height, left, top = 640, 400, 70, 30
    series = (("trial", "#b33", trials), ("baby steps, giant steps", "#369", giants))
    bits = [each.bits for each in (*trials, *giants)]
    logs = [math.log10(each.seconds) for each in (*trials, *giants)]
    low_x, high_x, low_y, high_y = min(bits) - 1, max(bits) + 1, math.floor(min(logs)), math.ceil(max(logs))

    def x(value: float) -> float:
        return left + (value - low_x) / (high_x - low_x) * (width - left - 20)

    def y(value: float) -> float:
        return top + (high_y - value) / (high_y - low_y) * (height - top - 50)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="18">Time to break Diffie-Hellman by search, by size of the prime</text>',
        f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">bits of the prime</text>',
    ]
    for tick in range(low_y, high_y + 1):
        parts.append(f'<line x1="{left}" x2="{width - 20}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">10^{tick} s</text>')
    for tick in range(low_x + 1, high_x, 4):
        parts.append(f'<text x="{x(tick):.1f}" y="{height - 28}" text-anchor="middle">{tick}</text>')
    for number, (name, colour, points) in enumerate(series):
        line = growth(points)
        ends = [(points[0].bits, line), (points[-1].bits, line)]
        places = " ".join(f"{x(at):.1f},{y(fit.log2_seconds(at) * math.log10(2)):.1f}" for at, fit in ends)
        parts.append(f'<polyline points="{places}" stroke="{colour}" fill="none"/>')
        parts += [
            f'<circle cx="{x(each.bits):.1f}" cy="{y(math.log10(each.seconds)):.1f}" r="3" fill="{colour}"/>'
            for each in points
        ]
        label = f"{name}: x {2**line.slope:.2f} per bit"
        parts.append(f'<text x="{left + 12}" y="{top + 14 + 16 * number}" fill="{colour}">{label}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
