"""Embeddings of words that are kept on disk: which ones are found again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from backend.models import find_card
from backend.models.video import words
from backend.models.video.words import embedded, say_if_cut
from backend.paths import OVERRIDE
from benchmarks.random_video import TINY, Weights, keep_words

CARD = find_card("wan-vace-1.3b")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))


class Report:
    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, message: str) -> None:
        self.said.append(message)


class Encoder:
    """Counts how often words are encoded."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype, self.times = dtype, 0

    def __call__(self, say: Callable[[str], None]) -> dict[str, torch.Tensor]:
        self.times += 1
        say("Cut.")
        return {"prompt": torch.full((1, 2), 1 / 3, dtype=self.dtype)}


def test_words_read_in_other_numbers_are_others():
    encoders = {dtype: Encoder(dtype) for dtype in (torch.float32, torch.bfloat16)}
    for _ in range(2):
        for dtype, encoder in encoders.items():
            report = Report()
            found = embedded(CARD, ("a street", ""), encoder, dtype=dtype, report=report)
            assert found["prompt"].dtype == dtype
            assert report.said == ["Cut."], "the same each time"
    assert [encoder.times for encoder in encoders.values()] == [1, 1]


def test_words_that_a_benchmark_makes_up_are_found_by_the_family():
    kept = keep_words(TINY, device=CPU)
    generator = Weights(TINY, device=CPU).generator()
    generator.read_words("", CARD.negative_prompt, Report())  # there is no text encoder
    assert kept.keys() == generator._words.keys()
    for name, value in kept.items():
        assert torch.equal(generator._words[name], value)


def test_those_used_longest_ago_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(words, "_KEPT", 2)
    encoder = Encoder(torch.float32)

    def ask(prompt: str) -> None:
        embedded(CARD, (prompt, ""), encoder, dtype=encoder.dtype, report=Report())

    def age() -> None:
        """Make all that is kept older than what comes next, however coarse the disk's clock is."""
        for file in (tmp_path / "data" / words.FOLDER).iterdir():
            seconds = file.stat().st_mtime - 100
            os.utime(file, (seconds, seconds))

    for prompt in ("first", "second", "first", "third"):
        ask(prompt)
        age()
    assert encoder.times == 3
    assert len(list((tmp_path / "data" / words.FOLDER).iterdir())) == 2
    ask("first")
    assert encoder.times == 3, "it was used after the second one"
    ask("second")
    assert encoder.times == 4


class Letters:
    """A tokenizer that makes a token of each letter, and one of the end."""

    def __init__(self, *, is_fast: bool) -> None:
        self.is_fast = is_fast

    def __call__(self, text: str, *, return_offsets_mapping: bool) -> SimpleNamespace:
        places = [(at, at + 1) for at in range(len(text))] if return_offsets_mapping else None
        return SimpleNamespace(input_ids=[*map(ord, text), 0], offset_mapping=places)

    def decode(self, ids: list[int], *, skip_special_tokens: bool) -> str:
        return "".join(chr(each) for each in ids if each or not skip_special_tokens)


def left_out(text: str, *, longest: int, is_fast: bool = True) -> str:
    said: list[str] = []
    say_if_cut(Letters(is_fast=is_fast), text, longest=longest, say=said.append)
    (sentence,) = said
    return re.search("left out were: “(.*)$", sentence)[1]


STREET = "雨に濡れた静かな夜の通りをカメラがゆっくりと進んでいく、"


def test_words_without_spaces_are_not_told_as_left_out_whole():
    text = STREET * 3
    assert left_out(text, longest=61) == f"{text[60:]}”."
    assert left_out(f"slow {text}", longest=4) == f"slow {text}”.", "a word is told whole"


@pytest.mark.parametrize("is_fast", [True, False])
def test_of_a_long_text_without_spaces_the_beginning_is_told(is_fast):
    text = STREET * 40
    told = left_out(text, longest=41, is_fast=is_fast)
    assert told == f"{text[40:240]} …”."
    told = left_out(f"{text} and {text}", longest=41, is_fast=is_fast)
    assert told == f"{text[40:240]} …” and 2 more."


def test_of_long_words_fewer_are_told():
    text = " ".join([letter * 90 for letter in "abcde"])
    assert left_out(text, longest=1) == f"{'a' * 90} {'b' * 90} …” and 3 more."
