"""What the drawn pictures are made of: text, lines and dots of an SVG that is 360 units wide.

So wide is a page on a phone, and no text is smaller than 12: a picture is read there without being moved. Colours are
those of the scheme that the reader's system has, light or dark. The text of a picture stands in the file as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

WIDTH = 360
_STYLE = """
text{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#16242d}
.small{font-size:12px;fill:#43535e}.strong{font-weight:600}
.ground{fill:#ffffff}.box{fill:#eef4f6;stroke:#7d8f9b}.zone{fill:#0b7285;fill-opacity:.16}.ahead{fill:#b45309;fill-opacity:.16}
.line{stroke:#7d8f9b;stroke-width:1.5;fill:none}.dashed{stroke-dasharray:3 3}
.now{stroke:#b91c1c;stroke-width:2}.on{fill:#0b7285;stroke:#0b7285}.later{fill:#b45309;stroke:#b45309}
.off{fill:#ffffff;stroke:#7d8f9b}.dot{stroke-width:1.5}.head{fill:#7d8f9b}
@media (prefers-color-scheme:dark){
text{fill:#e6edf1}.small{fill:#aebbc4}.ground{fill:#151d22}.box{fill:#22303a;stroke:#8fa2ae}
.zone{fill:#4cc3d9;fill-opacity:.22}.ahead{fill:#f0a04b;fill-opacity:.22}.line{stroke:#8fa2ae}
.now{stroke:#ff7b72}.on{fill:#4cc3d9;stroke:#4cc3d9}.later{fill:#f0a04b;stroke:#f0a04b}
.off{fill:#151d22;stroke:#8fa2ae}.head{fill:#8fa2ae}}
""".strip().replace("\n", "")


class Box(NamedTuple):
    """Where a box begins and ends, from above to below."""

    top: float
    bottom: float


@dataclass
class Picture:
    """A picture that is drawn piece by piece; `text` tells the same in words, for whoever does not see it."""

    text: str
    height: int
    width: int = WIDTH
    pieces: list[str] = field(default_factory=list)

    def write(self, x: float, y: float, text: str, look: str = "", anchor: str = "start") -> None:
        """Text whose base line is at y."""
        self.pieces.append(f'<text x="{x:g}" y="{y:g}" class="{look}" text-anchor="{anchor}">{escape(text)}</text>')

    def line(self, x: float, y: float, to_x: float, to_y: float, look: str = "line") -> None:
        """A straight line."""
        self.pieces.append(f'<line x1="{x:g}" y1="{y:g}" x2="{to_x:g}" y2="{to_y:g}" class="{look}"/>')

    def arrow(self, x: float, y: float, to_x: float, to_y: float, look: str = "line") -> None:
        """A line with a head at its end; it goes down, up, or to one side."""
        self.line(x, y, to_x, to_y, look)
        way = (0, 1) if to_y > y else (0, -1) if to_y < y else (1, 0) if to_x > x else (-1, 0)
        across = (way[1], way[0])
        corners = [
            (to_x, to_y),
            *((to_x - 7 * way[0] + side * across[0], to_y - 7 * way[1] + side * across[1]) for side in (4, -4)),
        ]
        self.pieces.append(f'<polygon points="{" ".join(f"{a:g},{b:g}" for a, b in corners)}" class="head"/>')

    def dot(self, x: float, y: float, look: str) -> None:
        """A row: `on` counts, `later` counts for a label, `off` does not count."""
        self.pieces.append(f'<circle cx="{x:g}" cy="{y:g}" r="5" class="dot {look}"/>')

    def area(self, x: float, y: float, to_x: float, to_y: float, look: str) -> None:
        """A rectangle."""
        self.pieces.append(
            f'<rect x="{x:g}" y="{y:g}" width="{to_x - x:g}" height="{to_y - y:g}" rx="4" class="{look}"/>'
        )

    def box(self, x: float, y: float, to_x: float, to_y: float, *lines: str) -> Box:
        """A rectangle with lines of text in its middle, the first one strong."""
        self.area(x, y, to_x, to_y, "box")
        begin = (y + to_y) / 2 + 4.5 - 8 * (len(lines) - 1)
        for number, text in enumerate(lines):
            self.write((x + to_x) / 2, begin + 16 * number, text, "small" if number else "strong", "middle")
        return Box(y, to_y)

    def down(self, x: float, box: Box, other: Box) -> None:
        """An arrow at x from a box to one below it."""
        self.arrow(x, box.bottom, x, other.top)

    def now(self, x: float, y: float, to_y: float, text: str) -> None:
        """The time of the row, with its name above it."""
        self.line(x, y, x, to_y, "now")
        self.write(x, y - 8, text, "strong", "middle")

    def svg(self) -> str:
        """The file."""
        scale = 1.5 if self.width == WIDTH else 1
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width * scale:g}" height="{self.height * scale:g}" role="img">\n'
            f"<title>{escape(self.text)}</title>\n<style>{_STYLE}</style>\n"
            f'<rect width="{self.width}" height="{self.height}" rx="8" class="ground"/>\n'
            + "\n".join(self.pieces)
            + "\n</svg>\n"
        )


@dataclass(frozen=True)
class Clock:
    """Where a time of a day lies: from `first` at the left to `last` at the right, both in minutes."""

    first: int
    last: int
    left: float = 22
    right: float = WIDTH - 22

    def at(self, time: str) -> float:
        """The place of a time like 09:30."""
        minutes = int(time[:2]) * 60 + int(time[3:])
        return round(self.left + (self.right - self.left) * (minutes - self.first) / (self.last - self.first), 1)
