"""Names that fit beside a picture and that its font can draw."""

import functools
from collections.abc import Sequence

from tftransfer.evaluation.tables import width

__all__ = ["families", "names", "shortened"]

_LONGEST = 28
"""Widest name, in characters of a Latin alphabet."""

_FONT = "DejaVu Sans"
_WIDE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
)
"""Fonts with Chinese, Japanese or Korean that systems come with; none of them comes with Matplotlib."""


def names(labels: Sequence[str]) -> list[str]:
    """Returns the labels as a picture shows them: on one line, long ones shortened.

    A label with a character that no font at hand has is shown by its number ("#3"), which the table of report.md
    explains: a name of empty boxes would say nothing, and Matplotlib would warn of each of them.
    """
    drawable = _characters()
    lines = [" ".join(label.split()) for label in labels]
    return [
        shortened(line, _LONGEST) if line and drawable.issuperset(map(ord, line)) else f"#{number}"
        for number, line in enumerate(lines)
    ]


def shortened(text: str, longest: int) -> str:
    """Returns the text, or its beginning and its end around an ellipsis, in at most that many cells.

    The end stays because labels of one family often differ only there.
    """
    if width(text) <= longest:
        return text
    tail = _fitting(text[::-1], (longest - 1) // 3)[::-1]
    return _fitting(text, longest - 1 - width(tail)) + "…" + tail


@functools.cache
def families() -> tuple[str, ...]:
    """Returns the font families to draw with, in order of preference: Matplotlib's own, then what the system has."""
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return (_FONT, *(name for name in _WIDE_FONTS if name in installed))


@functools.cache
def _characters() -> frozenset[int]:
    from matplotlib import font_manager

    fonts = [font_manager.get_font(font_manager.findfont(name)) for name in families()]
    return frozenset().union(*(font.get_charmap() for font in fonts))


def _fitting(text: str, longest: int) -> str:
    end = next((i for i in range(len(text)) if width(text[: i + 1]) > longest), len(text))
    return text[:end]
