"""A page of SVG, and colours for it."""

from __future__ import annotations

from html import escape

# Told apart by people with any colour vision (Okabe and Ito), and by marker.
COLOURS = ("#0072b2", "#d55e00", "#cc79a7", "#009e73", "#e69f00", "#56b4e9", "#882255", "#000000")


class Svg:
    """A page that grows downwards."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.parts: list[str] = []

    def text(self, x: float, y: float, what: str, attributes: str = "") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(what)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, attributes: str) -> None:
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {attributes}/>')

    def rect(self, x: float, y: float, width: float, height: float, attributes: str) -> None:
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {attributes}/>')

    def path(self, points: list[tuple[float, float]], attributes: str) -> None:
        where = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.parts.append(f'<path d="M{where}" fill="none" {attributes}/>')

    def marker(self, kind: int, x: float, y: float, colour: str, title: str = "", hollow: bool = False) -> None:
        r = 4.6
        paint = f'fill="{colour}" stroke="#ffffff"'
        if hollow:
            paint = f'fill="#ffffff" stroke="{colour}" stroke-width="1.6"'
        corners = (
            None,
            ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
            ((0, -1.2), (1.15, 0.8), (-1.15, 0.8)),
            ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
            ((0, 1.2), (1.15, -0.8), (-1.15, -0.8)),
        )[kind % 5]
        hint = f"<title>{escape(title)}</title>" if title else ""
        if corners is None:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" {paint}>{hint}</circle>')
        else:
            points = " ".join(f"{x + r * dx:.1f},{y + r * dy:.1f}" for dx, dy in corners)
            self.parts.append(f'<polygon points="{points}" {paint}>{hint}</polygon>')

    def page(self, height: float, title: str) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:.0f} {height:.0f}" '
            f'width="{self.width:.0f}" height="{height:.0f}" '
            "font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"13\" fill=\"#333333\">\n"
            f"<title>{escape(title)}</title>\n"
            '<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(self.parts) + "\n</svg>\n"
        )
