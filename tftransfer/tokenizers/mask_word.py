"""A word of the user's that stands for the mask token, where other special tokens in a text are ordinary text."""

import dataclasses
import json

import tokenizers

from tftransfer.errors import ConfigError

__all__ = ["MaskWord"]


@dataclasses.dataclass(frozen=True)
class MaskWord:
    """What a text is cut at, and what is put between the parts.

    Args:
        text: str. The word as it is typed.
        token_id: int. The mask token's.
        lstrip: bool. Whether the token takes white space before it along, as RoBERTa's does.
        rstrip: bool. Whether it takes white space behind it along.
    """

    text: str
    token_id: int
    lstrip: bool
    rstrip: bool

    @classmethod
    def of(cls, rust: tokenizers.Tokenizer, token_id: int | None, text: str) -> "MaskWord":
        """Returns the word for the mask token of a tokenizer.

        Args:
            rust: `tokenizers.Tokenizer`.
            token_id: int or None. Its mask token.
            text: str. The word.

        Raises:
            ConfigError: The tokenizer has no mask token, or the word is another one of its tokens.
        """
        if token_id is None:
            raise ConfigError(f"Expected a tokenizer with a mask token for {text!r} to stand for; this one has none.")
        if rust.token_to_id(text) not in (None, token_id):
            raise ConfigError(
                f"Expected a text that can stand for the mask token {rust.id_to_token(token_id)!r}, got {text!r}, "
                "which is a token itself. Take another one."
            )
        token = rust.get_added_tokens_decoder().get(token_id)
        return cls(text, token_id, *((token.lstrip, token.rstrip) if token else (False, False)))

    def added_to(self, rust: tokenizers.Tokenizer) -> tuple[tokenizers.Tokenizer, int]:
        """Returns a copy of a tokenizer that knows the word, and the id that the word has there."""
        content = json.loads(rust.to_str())
        # A token that is no special one is found in texts all the same.
        for token in content["added_tokens"]:
            token["special"] &= token["content"] != self.text
        copy = tokenizers.Tokenizer.from_str(json.dumps(content))
        copy.encode_special_tokens = True
        word = tokenizers.AddedToken(self.text, lstrip=self.lstrip, rstrip=self.rstrip, normalized=False)
        copy.add_tokens([word])
        return copy, copy.encode(self.text, add_special_tokens=False).ids[0]
