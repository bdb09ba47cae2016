"""Embeddings of words that are kept on disk: which ones are found again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from backend.models import find_card
from backend.models.video.words import embedded
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
    generator.read_words("", "", Report())  # there is no text encoder
    assert kept.keys() == generator._words.keys()
    for name, value in kept.items():
        assert torch.equal(generator._words[name], value)
