"""Texts that tokenizers disagree on: a fixed list for comparing two of them."""

import random
import unicodedata

__all__ = ["torture"]

_BY_HAND = """
plain|Hello, World!|don't can't it's I'll we've|e-mail re-do co-op|a.b.c...d|...|!!!???|3.14159|1,000,000.00
$5.99|50%|#hashtag|@user|C++|C#|a_b__c|(a)[b]{c}<d>|"q" 'q' `q`|~^|\\|/|a|A|I|\u2026|\u2014 dash \u2013 dash
\u00abguillemets\u00bb|\u201cquotes\u201d \u2018single\u2019|\u00bfque? \u00a1si!|\u00a9 \u00ae \u2122|[SEP]
[CLS]|[PAD]|[MASK]|[UNK]|[sep]|a [SEP] b|[SEP][SEP]|x[MASK]y|[ SEP ]|[SEP|SEP]|##ing|##|a##b|## ing|play ##ing
<s>|</s>|<pad>|<mask>|<unk>|<|endoftext|>|[unused1]|[unused99]|\uff0c\uff08full\uff09\uff1a\uff01
\uff21\uff22\uff23 \uff41\uff42\uff43|\ufb01\ufb02 \ufb03|\u2160\u2161|\u2460\u2461|\u00b2\u00b3\u00b9
\u00bd\u00bc|\u212b \u2126 \u212a|\u01c4 \u01c5 \u01c6|\u0132|\u1e9e \u00df STRASSE stra\u00dfe
\u0130stanbul I\u0307 \u0131|\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3|\u03c3\u03c2 \u03a3
\u03a3\u0391\u03a3 \u03a3.|\u1fb3 \u1fbc|\u0345a|\u0149|\u01f0|na\u00efve na\u0131\u0308ve
\u00c5ngstr\u00f6m A\u030angstro\u0308m|\u4f60\u597d|\u4f60\u597d\uff0c\u4e16\u754c\uff01|Hello\u4f60\u597dWorld
2024\u5e741\u67081\u65e5|\u6771\u4eac\u30bf\u30ef\u30fc|\u3053\u3093\u306b\u3061\u306f
\uc548\ub155\ud558\uc138\uc694|\u1112\u1161\u11ab|\u3400\u4dbf|\uf900\ufa2d|\U00020000\U0002a6df
\U0002b81e\U0002b820|\U0002f800|\u3007\u3021
\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01
\u1787\u17c6\u179a\u17b6\u1794\u179f\u17bd\u179a
\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645
\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627
\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e
\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd|\u0baa\u0bc1\u0ba4\u0bcd\u0ba4\u0b95\u0bae\u0bcd|\U0001f600
\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466|\U0001f44d\U0001f3fd|\U0001f1e9\U0001f1ea
\u2764\ufe0f|1\ufe0f\u20e3|\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f|a\U0001f600b
\u00a9\ufe0f|http://a.b/c?d=e&f=g#h|https://user:pw@host.example:8080/p/a/t/h.html|www.example.com|a@b.co
ftp://x|/usr/bin/env|C:\\Windows\\|x=y+z*2/3-4|<a href="x">y</a>|{"k": [1, 2]}|&amp;|foo();//bar
"""
_SPACES = [*map(chr, (9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 0x85, 0xA0, 0x1680, 0x180E, *range(0x2000, 0x2010)))]
_SPACES += [*map(chr, (0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF))]
_WORDS = """
the of playing unaffable Internationalization \u00e9l\u00e8ve Stra\u00dfe
\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u4e2d\u6587
\u65e5\u672c\u8a9e\u306e \ud55c\uad6d\uc5b4 \u0e44\u0e17\u0e22 \u0639\u0631\u0628\u064a
\u0939\u093f\u0928\u094d\u0926\u0940 \u17a2\u1780\u17d2\u179f\u179a \U0001f600 don't e-mail 3.14 [SEP] ##ing
12th U.S.A. \u1ec7\u0302 Ti\u1ebfng Vi\u1ec7t \u0627\u0631\u062f\u0648
""".split()  # noqa: SIM905


_MASKED = ("{0} {1}.", "{1}{0}{1}{1} {0}", "{1}  {1} {0}{1}a")


def torture(mask: str = "") -> list[str]:
    """Returns more than 2,000 distinct texts, always the same ones: hand-made edge cases, scripts, white space, control
    characters, long words, typed special tokens, random Unicode, among others. None holds a surrogate. With a text that
    stands for a mask there are some hundred more that hold it."""
    rng = random.Random(20261123)
    texts = [text for line in _BY_HAND.strip().split("\n") for text in line.split("|")] + _BY_HAND.split("\n")
    for part in (_spaces, _controls, _cases, _long_words, _mixtures, _fuzz):
        texts += part(rng)
    texts += ["", " ".join(texts), "word " * 5_000, "\u4e2d" * 2_000]
    if mask:
        some = texts[:: len(texts) // 100]
        texts += [mask, *(form.format(text.strip(), mask) for text in some for form in _MASKED)]
    return list(dict.fromkeys(texts))


def _spaces(rng: random.Random) -> list[str]:
    texts = [form.format(space) for space in _SPACES for form in ("a{0}b", "{0}a", "a{0}{0} b{0}", "{0}")]
    texts += [f"one{newline * n}two{newline * n}" for newline in ("\n", "\r\n", " \n", "\n\t") for n in (1, 2, 3, 9)]
    return texts + ["x".join(rng.choices(_SPACES, k=rng.randint(2, 12))) for _ in range(60)]


def _controls(rng: random.Random) -> list[str]:
    # Category C: control, format, private use, unassigned; the last of each plane are non-characters.
    points = [*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x378, 0x600, 0x61C, 0x70F, *range(0x200B, 0x2010)]
    points += [
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        0xE000,
        0xF8FF,
        *range(0xFDD0, 0xFDD4),
        *range(0xFFF9, 0x10000),
    ]
    points += [0x110BD, 0x1BCA0, 0x1D173, 0xE0001, 0xE0020, 0xF0000, 0x10FFFD, 0x10FFFE, 0x10FFFF]
    texts = [form.format(chr(point)) for point in points for form in ("ab{0}cd", "{0} a {0}{0}b")]
    return texts + ["ab".join(map(chr, rng.choices(points, k=rng.randint(1, 9)))) for _ in range(60)]


def _cases(rng: random.Random) -> list[str]:
    letters = [
        chr(p) for p in [*range(0xC0, 0x250), *range(0x386, 0x400), *range(0x400, 0x530), *range(0x1E00, 0x2000)]
    ]
    texts = []
    for start in range(0, len(letters), 8):
        word = "".join(letters[start : start + 8])
        texts += [
            word,
            word.upper(),
            word.lower(),
            unicodedata.normalize("NFD", word),
            unicodedata.normalize("NFKC", word),
        ]
    marks = [
        chr(p) for p in [*range(0x300, 0x370), *range(0x591, 0x5C8), *range(0x64B, 0x660), 0x302E, 0x1D165, 0x1D16D]
    ]
    return texts + [
        "".join(rng.choice("aEoU\u0131") + "".join(rng.choices(marks, k=3)) for _ in range(3)) for _ in range(80)
    ]


def _long_words(rng: random.Random) -> list[str]:
    texts = [
        unit * n
        for unit in ("a", "ab", "\u00e9", "\u0436", "\u0e01", "\U00010400", "e\u0301")
        for n in (25, 33, 34, 49, 50, 51, 99, 100, 101, 102, 200)
    ]
    texts += [
        f"{'x' * n}{end}" for n in (98, 99, 100, 101) for end in (".", "\u0301", "\u200b", " y", "\u4e2d", "\x00")
    ]
    return texts + ["".join(rng.choices("abcdefgh\u00e9\u00fc\u0436", k=rng.randint(90, 110))) for _ in range(40)]


def _mixtures(rng: random.Random) -> list[str]:
    glue = [" ", " ", " ", "", ", ", "-", "\u3000", "\n\n", "\u200d", "'"]
    return ["".join(rng.choice(_WORDS) + rng.choice(glue) for _ in range(rng.randint(2, 30))) for _ in range(400)]


def _fuzz(rng: random.Random) -> list[str]:
    blocks = [
        (0x20, 0x7F),
        (0x20, 0x250),
        (0, 0x3000),
        (0x3000, 0xD800),
        (0xE000, 0x11000),
        (0x1F000, 0x1FB00),
        (0x10000, 0x110000),
    ]
    texts = []
    for _ in range(450):
        low, high = rng.choice(blocks)
        texts.append(
            "".join(chr(rng.randrange(low, high)) + rng.choice(("", "", "a", " ")) for _ in range(rng.randint(1, 24)))
        )
    return texts
