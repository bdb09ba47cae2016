"""How far GGUF's types round a matrix away from what it was, and how fast: why it is Q4_0.

    python -m benchmarks.four_bits [--rows 512]

Matrices of 5120 columns, as Wan VACE 14B has, of values that are distributed as those of networks
are: normal, and with larger outliers (Student's t with 5 degrees of freedom, Laplace's). No weights
are read. The error is the root mean square of the differences over that of the values.
"""

from __future__ import annotations

import argparse
import sys
import time

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

TYPES = (Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0)
_COLUMNS, _SPREAD = 5120, 0.02


def matrices(rows: int) -> dict[str, np.ndarray]:
    """Return a matrix (rows, 5120) of float32 by the name of its distribution."""
    random, shape = np.random.default_rng(0), (rows, _COLUMNS)
    made = {
        "normal": random.standard_normal(shape),
        "Student's t, 5": random.standard_t(5, shape),
        "Laplace": random.laplace(size=shape),
    }
    return {name: (_SPREAD * values).astype(np.float32) for name, values in made.items()}


def bits_of(kind: Type) -> float:
    """Return how many bits a weight takes, its share of the block's scale among them."""
    values, size = gguf.GGML_QUANT_SIZES[kind]
    return 8 * size / values


def error_of(matrix: np.ndarray, kind: Type) -> float:
    """Return the relative RMS error of a matrix that is rounded and brought back."""
    back = gguf.quants.dequantize(gguf.quants.quantize(matrix, kind), kind)
    return float(np.linalg.norm(back - matrix) / np.linalg.norm(matrix))


def main(arguments: list[str] | None = None) -> int:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=512)
    options = parser.parse_args(arguments)
    made = matrices(options.rows)
    lines = [
        "| type | bits | " + " | ".join(made) + " | million weights a second |",
        "|---" * (3 + len(made)) + "|",
    ]
    for kind in TYPES:
        began = time.perf_counter()
        for matrix in made.values():
            gguf.quants.quantize(matrix, kind)
        rate = sum(matrix.size for matrix in made.values()) / (time.perf_counter() - began)
        errors = " | ".join(f"{100 * error_of(matrix, kind):.1f} %" for matrix in made.values())
        lines.append(f"| {kind.name} | {bits_of(kind):.1f} | {errors} | {rate / 1e6:.0f} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
