"""What our job costs beside the bare pipeline: that it is measured, at tiny size."""

from __future__ import annotations

import dataclasses

from backend.paths import OVERRIDE
from benchmarks import overhead


def test_both_are_run_and_every_phase_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv(OVERRIDE, str(tmp_path))
    transformer = {**overhead.MIDDLE.transformer, "ffn_dim": 64, "num_layers": 2}
    transformer["vace_layers"] = [0]
    tiny = dataclasses.replace(overhead.MIDDLE, transformer=transformer)
    monkeypatch.setattr(overhead, "MIDDLE", tiny)
    text = overhead.measure(size=(64, 48), frames=5, steps=2, repeats=1)
    told = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert told[1:3] == ["clock", "processor"]
    assert {"projecting", "encoding", "denoising", "decoding", "compositing"} < set(told)
