"""What every page of the lab's stands in: its head, its style, and the one door for text from the wire. Pure.

A page stands alone: styles and drawings are inside, and its own policy forbids it to load or run anything.
"""

from __future__ import annotations

import html
import re

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, body: str) -> str:
    """The whole document. `title` is text; `body` is HTML in which all foreign text has passed `text`."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)} - eightsteps</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def clean(value: object) -> str:
    """Text that any encoding and any reader of HTML takes: no controls, no halves of surrogate pairs."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", str(value))


def text(value: object) -> str:
    """`value` as HTML text or attribute value that can be nothing else."""
    return html.escape(clean(value), quote=True)


_STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1b1f24; --faint: #5b6570; --line: #d5dae0; --soft: #f5f7f9;
  --good: #17703c; --bad: #b3261e; --unsure: #8a5a00;
  --dns: #1f7c83; --tcp: #d9730d; --tls: #a23bb0; --wait: #2b9a3e; --receive: #1d6fd1; --paint: #c2255c;
  --rest: #77818c; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --ink: #e4e8ec; --faint: #98a3ae; --line: #343b43;
  --soft: #1c2127; --good: #6cc98b; --bad: #ff8a80; --unsure: #e8b355;
  --dns: #4fb3ba; --tcp: #f09a4a; --tls: #d27fdd; --wait: #5fc470; --receive: #6aa9f5; --paint: #f0729b;
  --rest: #8f99a4; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 82rem; padding: 1.5rem; background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .4rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; } h3 span { font-weight: 400; color: var(--faint); margin-left: .5rem; }
section > p, caption, footer, small { color: var(--faint); } footer { margin-top: 2rem; font-size: .85rem; }
.verdict { margin: 0 0 1rem; padding: .5rem .8rem; border-left: 4px solid var(--good); background: var(--soft); }
.verdict.partial { border-color: var(--unsure); } .verdict.failed { border-color: var(--bad); }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .6rem; margin: 0; }
.answers div { max-width: 20rem; border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .8rem; }
.answers .unanswered dd { font-weight: 400; font-size: .85rem; color: var(--faint); }
dt, .answers small { color: var(--faint); font-size: .8rem; } .answers dd { margin: 0; font-weight: 600; }
small { display: block; font-weight: 400; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: .85rem; padding-bottom: .3rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
thead th { font-size: .8rem; color: var(--faint); vertical-align: bottom; } .number { text-align: right; }
thead th { overflow-wrap: normal; } td.number, th.number, td.answer { white-space: nowrap; overflow-wrap: normal; }
.ladder thead td { position: sticky; top: 0; background: var(--page); padding: .2rem 0; z-index: 1; }
.ladder svg { display: block; width: 100%; height: auto; } .ladder td { padding: .5rem 0; }
.band { border-left: 4px solid var(--step); } .band h3, .band p { padding-left: .8rem; } .band p { margin: 0; }
.band b, .steps b { color: var(--step); } .ladder .band { padding-left: 0; }
.step1 { --step: var(--dns); } .step2 { --step: var(--tcp); } .step3 { --step: var(--tls); }
.step4, .step5 { --step: var(--wait); } .step6 { --step: var(--receive); } .step7 { --step: var(--paint); }
.step8 { --step: var(--rest); }
svg text { font-size: 11.5px; fill: var(--ink); } svg .faint { fill: var(--faint); font-size: 10px; }
svg .host { font-size: 13px; font-weight: 600; text-anchor: middle; }
svg .said { fill: var(--faint); font-size: 11px; }
svg .gutter { fill: var(--faint); font-size: 11px; text-anchor: end; font-variant-numeric: tabular-nums; }
.life path { stroke: var(--line); } .arrow path { stroke: var(--step); stroke-width: 2; fill: none; }
.arrow .tip, .arrow circle { fill: var(--step); stroke: none; } .copy path { stroke-width: 1; opacity: .7; }
.arrow text { text-anchor: middle; font-size: 10.5px; paint-order: stroke; stroke: var(--page); stroke-width: 3px; }
.copy text { fill: var(--faint); }
.wide { overflow-x: auto; } .waterfall, .compared { min-width: 52rem; }
.waterfall tbody th { min-width: 15rem; } .waterfall .time { width: 40%; min-width: 14rem; padding: .35rem 0; }
.compared td, .compared thead th:not(:first-child) { min-width: 15rem; }
.compared tbody th { font-weight: 400; font-size: .85rem; min-width: 12rem; }
.compared tbody small { white-space: nowrap; }
.bar { display: block; width: 100%; height: 22px; overflow: visible; } .bar text { font-size: 10px; }
thead .bar { height: 14px; } .bar text { fill: var(--faint); } .bar line { stroke-width: 1.5; }
.bar .grid { stroke: var(--line); stroke-width: 1; } rect.phase { fill: var(--phase); stroke: var(--phase); }
.stalled { --phase: var(--rest); } .dns { --phase: var(--dns); } .connect { --phase: var(--tcp); }
.tls { --phase: var(--tls); } .wait { --phase: var(--wait); } .receive { --phase: var(--receive); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 0 0 .5rem; font-size: .85rem; }
.legend span::before { content: ""; display: inline-block; width: .8em; height: .8em; margin-right: .4em;
  background: var(--phase, var(--mark)); }
.legend .mark::before { width: 2px; } .mark0 { --mark: var(--receive); stroke: var(--mark); }
.mark1 { --mark: var(--paint); stroke: var(--mark); } .mark2 { --mark: var(--ink); stroke: var(--mark); }
.steps dl { margin: .4rem 0 0; display: grid; gap: .1rem; font-size: .85rem; }
.steps dl div { display: grid; grid-template-columns: 9rem 1fr; gap: .6rem; } .steps dd { margin: 0; }
.steps tbody th { overflow-wrap: normal; } .steps dl dl { margin: 0; } .steps dl dl div { display: block; }
.steps dl dl dt { display: inline; margin-right: .6rem; } .steps dl dl dd { display: inline; }
.steps ul { margin: 0; padding: 0; list-style: none; font-size: .85rem; }
.steps td:last-child { width: 34%; } .steps thead th:first-child { width: 9rem; }
.seen { color: var(--good); } .absent { color: var(--faint); } .unknown { color: var(--bad); }
@media (max-width: 60rem) { section { overflow-x: auto; } .ladder { min-width: 58rem; }
  .ladder thead td { position: static; } .steps { min-width: 46rem; }
  .band h3, .band p { position: sticky; left: 0; max-width: calc(100vw - 4rem); } }
@media print { @page { size: A4 landscape; margin: 12mm; }
  :root { color-scheme: light; --page: #fff; --ink: #000; --faint: #444; --line: #bbb; --soft: #fff; --good: #17703c;
    --bad: #b3261e; --unsure: #8a5a00; --dns: #1f7c83; --tcp: #d9730d; --tls: #a23bb0; --wait: #2b9a3e;
    --receive: #1d6fd1; --paint: #c2255c; --rest: #77818c; }
  body { max-width: none; padding: 0; font-size: 12px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .ladder thead td { position: static; } .wide, section { overflow: visible; } .ladder svg { break-inside: avoid; }
  article + article { break-before: page; }
  .waterfall, .compared, .steps { min-width: 0; } .band h3, .band p { position: static; max-width: none; }
  h2, h3, .legend, .band p { break-after: avoid; } .waterfall tr, .answers div { break-inside: avoid; } }
"""
