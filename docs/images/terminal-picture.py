#!/usr/bin/env python3
"""usage: COMMAND... | terminal-picture.py TITLE > picture.svg

Draws captured output as a terminal window: no scripts and no fonts of its own. `./build.sh picture` renews docs/images/demo.svg."""
import html
import re
import sys

PLAIN, DIM, STEP, SERVER, CLIENT, PROMPT = "#c0caf5", "#7a82a8", "#bb9af7", "#7dcfff", "#e0af68", "#9ece6a"
CHARACTER, LINE, LEFT, TOP = 8.43, 20, 20, 64


def parts(line):
    """Cuts a line into pieces of one colour."""
    if re.match(r"\d+\. ", line):
        return [(line, STEP)]
    speaker = re.match(r"(   )(server|client)(  .*)", line)
    if speaker:
        return [(speaker[1] + speaker[2], SERVER if speaker[2] == "server" else CLIENT), (speaker[3], PLAIN)]
    return [(line, DIM if line.startswith("   ") else PLAIN)]


def main():
    title = sys.argv[1]
    lines = [[("$ ", DIM), (title, PROMPT)]] + [parts(line) for line in sys.stdin.read().rstrip().splitlines()]
    columns = max(sum(len(text) for text, _ in line) for line in lines)
    width, height = round(2 * LEFT + columns * CHARACTER), TOP + LINE * len(lines) + 8
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="title">',
        f'  <title id="title">{html.escape("The output of: " + title)}</title>',
        f'  <rect width="{width}" height="{height}" rx="10" fill="#1a1b26"/>',
        f'  <path d="M0 36V10A10 10 0 0 1 10 0H{width - 10}A10 10 0 0 1 {width} 10V36Z" fill="#24283b"/>',
    ]
    out += [f'  <circle cx="{x}" cy="18" r="6" fill="{fill}"/>' for x, fill in ((20, "#f7768e"), (40, "#e0af68"), (60, "#9ece6a"))]
    out.append("  <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"14\">")
    for row, line in enumerate(lines):
        spans = "".join(f'<tspan fill="{colour}">{html.escape(text, quote=False)}</tspan>' for text, colour in line if text)
        if spans:
            out.append(f'    <text x="{LEFT}" y="{TOP + row * LINE}" xml:space="preserve">{spans}</text>')
    print("\n".join(out + ["  </g>", "</svg>"]))


main()
