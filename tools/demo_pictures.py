"""Make a demo's contact sheet and preview film (run in the backend's environment).

Usage: python tools/demo_pictures.py DEMO, where DEMO holds `shot/`, `take/` and `truth/`.
Writes DEMO/contact.png and DEMO/preview.mp4.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

logger = logging.getLogger("depthshot.demo")

CELL_WIDTH = 400
GAP = 8
HEADER = 40
MARGIN = 132
ROWS = 5
GAIN = 4  # how much the difference is amplified so that the eye can read it
PAPER, INK, FAINT = (24, 24, 26), (232, 232, 232), (150, 150, 156)


def column_titles(take: Mapping[str, object]) -> tuple[str, ...]:
    """Return what stands above the columns; `take` is the record of the take that is shown."""
    made = f"take ({take['model']}, seed {take['seed']})"
    return ("still", "what the still shows", made, "true render", f"difference x {GAIN}")


def picture(path: Path) -> np.ndarray:
    """Return a PNG as (H, W, 3) uint8."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def checkered(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return `frame` with a checker pattern shown through where `mask` says it is generated.

    Args:
        frame: (H, W, 3) uint8.
        mask: (H, W) uint8, 255 = generated.
    """
    height, width = mask.shape
    square = max(2, width // 104)
    rows, columns = np.mgrid[:height, :width] // square
    checks = np.where((rows + columns) % 2, 52, 84)[..., None]
    share = mask[..., None] / 255
    return np.round(frame * (1 - share) + checks * share).astype(np.uint8)


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of two 8-bit pictures in dB."""
    error = np.mean((first.astype(np.float64) - second) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def contact_sheet(demo: Path) -> Image.Image:
    """Return the sheet: a row per frame, five frames spread over those with a true render."""
    shot = json.loads((demo / "shot/shot.json").read_text(encoding="utf-8"))
    still = shot["stills"][0]
    names = [
        path.name
        for path in sorted((demo / "truth/frames").glob("*.png"))
        if int(path.stem) != shot["frame_start"] + still["index"]
    ]
    chosen = [
        names[i] for i in np.linspace(0, len(names) - 1, min(ROWS, len(names))).round().astype(int)
    ]
    titles = column_titles(json.loads((demo / "take/take.json").read_text(encoding="utf-8")))
    width, height = shot["size"]
    cell = (CELL_WIDTH, round(CELL_WIDTH * height / width))
    sheet = Image.new(
        "RGB",
        (
            MARGIN + len(titles) * (cell[0] + GAP),
            HEADER + len(chosen) * (cell[1] + GAP),
        ),
        PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(size=17), ImageFont.load_default(size=14)
    for column, title in enumerate(titles):
        draw.text((MARGIN + column * (cell[0] + GAP), 11), title, fill=INK, font=large)
    still_picture = picture(demo / "shot" / still["image"])
    for row, name in enumerate(chosen):
        take, truth = picture(demo / "take/frames" / name), picture(demo / "truth/frames" / name)
        with Image.open(demo / "take/mask" / name) as image:
            mask = np.asarray(image.convert("L"))
        difference = np.abs(take.astype(int) - truth) * GAIN
        top = HEADER + row * (cell[1] + GAP)
        for column, pixels in enumerate(
            (
                still_picture,
                checkered(take, mask),
                take,
                truth,
                difference.clip(0, 255).astype(np.uint8),
            )
        ):
            small_picture = Image.fromarray(pixels).resize(cell, Image.Resampling.LANCZOS)
            sheet.paste(small_picture, (MARGIN + column * (cell[0] + GAP), top))
        lines = (
            (f"frame {int(Path(name).stem)}", INK),
            (f"{(mask / 255).mean():.1%} generated", FAINT),
            (f"{psnr(take, truth):.1f} dB", FAINT),
        )
        for line, (text, colour) in enumerate(lines):
            draw.text((8, top + 4 + 20 * line), text, fill=colour, font=small)
    return sheet


def preview(demo: Path) -> None:
    """Write DEMO/preview.mp4 (H.264) from the frames of the take."""
    shot = json.loads((demo / "shot/shot.json").read_text(encoding="utf-8"))
    rate = Fraction(shot["fps"]).limit_denominator(1001)
    with av.open(str(demo / "preview.mp4"), "w") as film:
        stream = film.add_stream("libx264", rate=rate)
        # 4:2:0 needs even sides; one row or column of the picture is left out where it is odd.
        stream.width, stream.height = (side - side % 2 for side in shot["size"])
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "16", "preset": "veryfast"}
        for path in sorted((demo / "take/frames").glob("*.png")):
            pixels = np.ascontiguousarray(picture(path)[: stream.height, : stream.width])
            film.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        film.mux(stream.encode())


def main(arguments: list[str]) -> int:
    """Make both pictures of the demo folder named on the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    demo = Path(arguments[0])
    contact_sheet(demo).save(demo / "contact.png")
    preview(demo)
    logger.info("wrote %s and %s", demo / "contact.png", demo / "preview.mp4")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
