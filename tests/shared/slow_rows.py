"""What rows say of their tokens, found slowly and plainly, a character at a time: the truth for the tests of it."""

import json
import unicodedata

import tokenizers

# The first and the last ideograph of each block.
CJK = (
    "\u3400\u4dbf",
    "\u4e00\u9fff",
    "\uf900\ufaff",
    "\U00020000\U0002a6df",
    "\U0002a700\U0002b73f",
    "\U0002b740\U0002b81f",
    "\U0002b820\U0002ceaf",
    "\U0002f800\U0002fa1f",
)


def ideograph(char: str) -> bool:
    return any(first <= char <= last for first, last in CJK)


def word_starts(text: str) -> set[int]:
    """Which characters begin a word."""
    starts, inside = set(), False
    for place, char in enumerate(text):
        alone = unicodedata.category(char)[0] in "PS" or ideograph(char)
        inner = not alone and not char.isspace()
        if alone or (inner and not inside):
            starts.add(place)
        inside = inner
    return starts


def spaced(text: str) -> tuple[str, list[int]]:
    """Sets ideographs apart; returns also how many of the original characters are before each place."""
    result, before = "", []
    for place, char in enumerate(text):
        result += f" {char} " if ideograph(char) else char
        before += [place, place, place + 1] if ideograph(char) else [place]
    return result, [*before, len(text)]


def plain(rust: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """The tokenizer without its post-processor, which adds special tokens, and trims some offsets."""
    copy = tokenizers.Tokenizer.from_str(json.dumps(json.loads(rust.to_str()) | {"post_processor": None}))
    copy.encode_special_tokens = True
    return copy


def tokens_of(rust: tokenizers.Tokenizer, text: str, space_cjk: bool) -> list[tuple[int, int, int, bool]]:
    """Returns id, start, end and whether a word begins, of each token of a text; see `plain`."""
    asked, before = spaced(text) if space_cjk else (text, list(range(len(text) + 1)))
    encoding, words, seen, tokens = rust.encode(asked), word_starts(text), set(), []
    ranges = [trimmed(text, before[start], before[end]) for start, end in encoding.offsets]
    following = [*(start for start, _ in ranges), len(text)][1:]
    behind = 0
    for token, (start, end), limit in zip(encoding.ids, ranges, following, strict=True):
        # Or the tokenizer has left out the word's beginning.
        first = max((word for word in words if word <= start), default=-1)
        begins = start < end and ((first == start and start not in seen) or first >= behind)
        if start < end:
            seen.add(start)
            behind = end
            while end < limit and unicodedata.category(text[end])[0] == "M":
                end += 1
        tokens.append((token, start, end, begins))
    return tokens


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < len(text) and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, max(start, end)
