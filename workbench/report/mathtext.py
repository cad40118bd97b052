"""Mathematics that is written in plain text, as HTML: x_{t+1} with a subscript, e^(−t) with a superscript."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

WORDS_WITH_INDEX = ("max", "min", "sup", "inf", "sign", "log")  # other words with _ are names, such as lemma_2
_GREEK = "α-ωΑ-Ω"
_ROUND = r"\((?:[^()]|\([^()]*\))*\)"  # a pair of parentheses, and pairs inside it
_CURLY = r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}"
_INDEX = re.compile(rf"(?<=\S)_({_CURLY}|\([^()]*\)|[A-Za-z]+|\d+|[{_GREEK}⊥])")
_POWER = re.compile(rf"\^({_CURLY}|{_ROUND}|[½\d]+|[A-Za-z{_GREEK}])")
_NAME = re.compile(r"[A-Za-z]{2,}$")


def readable(text: str) -> "Markup":
    """Return the text as HTML, indices and exponents set as such, everything else escaped."""
    import markupsafe

    escaped = str(markupsafe.escape(text))
    return markupsafe.Markup(_powers(_indices(escaped)))


def _indices(text: str) -> str:
    """Set what follows an underscore below the line, unless the underscore belongs to a name."""

    def lowered(match: re.Match[str]) -> str:
        before = _NAME.search(text, 0, match.start())
        if _in_name(text, match.start()) or (before and before.group() not in WORDS_WITH_INDEX):
            return match.group()
        return f"<sub>{_indices(_bare(match.group(1), '{'))}</sub>"

    return _INDEX.sub(lowered, text)


def _in_name(text: str, at: int) -> bool:
    """Tell whether an underscore belongs to a word that began before, as the second one of lemma_2_repaired."""
    word = re.search(r"[A-Za-z0-9_]*$", text[:at])
    return bool(word and re.match(r"[A-Za-z]{2,}_", word.group()) and not word.group().startswith(WORDS_WITH_INDEX))


def _powers(text: str) -> str:
    """Set what follows a caret above the line; the parentheses of e^(−t) go, as the place says the same."""
    return _POWER.sub(lambda match: f"<sup>{_powers(_bare(match.group(1), '{('))}</sup>", text)


def _bare(text: str, brackets: str) -> str:
    """Strip an outer pair of brackets of the kinds that begin with one of `brackets`."""
    return text[1:-1] if text[0] in brackets else text
