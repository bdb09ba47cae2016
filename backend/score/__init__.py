"""Score a take against true frames: numbers that need no pretrained network.

    python -m backend score SHOT TAKE --truth DIR

A shot's true depth and cameras say which pixels the still shows (seen), which had to be made up
(unseen), and where every pixel lies in the next frame. Each question has a number of its own, and
no number stands alone:

    psnr, ssim          is it the right picture             `picture`
    sharpness           is it blurred, or noisy             `picture`
    offset              is it in its place                  `picture`
    swd_full, swd_half  has it the scene's texture          `patches`
    e_warp              is it steady from frame to frame    `motion`
    flicker             is it steady over the shot          `flicker`
    flow_error, speed   does it follow its camera           `motion`
    mask_recall, _excess    does its mask say what is made up   `mask`
    drift, join         do colours drift, can joins be told (takes made in windows)   `joins`

Left out of all of them: the still's own frames, pixels that move by themselves, and frames that
the take or the truth lacks (counted in the report). `regions` says what is seen, `report` explains
the JSON.
"""

from __future__ import annotations

from .assemble import score
from .report import Metric, Report

__all__ = ["Metric", "Report", "score"]
