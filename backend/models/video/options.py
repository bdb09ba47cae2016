"""Settings that every card of a large video model has; a family adds its own."""

from __future__ import annotations

from dataclasses import replace

from ..memory import AUTO, FOUR, GPU_PLANS
from ..setting import Ordered, Setting

LOCK = Setting(
    name="lock",
    label="Lock to the still",
    default=1.0,
    help="How much of what a still shows is kept exactly: 1 keeps every seen pixel, 0 leaves all"
    " of the frame to the model, so that water or leaves can move.",
    least=0.0,
    most=1.0,
)
FEATHER = Setting(
    name="feather",
    label="Feather",
    default=4,
    help="Pixels over which what is kept gives way to what is generated, told of a picture of 1080"
    " lines and scaled to the shot's; holes that are not wider have a hard border.",
    least=0,
    most=64,
    advanced=True,
)
MATCH = Setting(
    name="match",
    label="Match colours",
    default=True,
    help="Bring the model's colours to those of the still, so that no seam shows.",
    advanced=True,
)
EVERY = Setting(
    name="every",
    label="Every",
    default=1,
    help="Let the model make every 2nd, 3rd or 4th frame only, and carry the rest from these by"
    " depth and camera: faster, and nearer to the frame rate that the model knows.",
    least=1,
    most=8,
)
DEPTH_NEAR = Setting(
    name="depth_near",
    label="Nearest depth",
    default=0.0,
    help="Metres that are shown to the model as nearest, to lock the range over several shots; 0"
    " takes the shot's own.",
    least=0.0,
    most=1e6,
    advanced=True,
)
DEPTH_FAR = Setting(
    name="depth_far",
    label="Farthest depth",
    default=0.0,
    help="Metres that are shown to the model as farthest, to lock the range over several shots; 0"
    " takes the shot's own.",
    least=0.0,
    most=1e6,
    advanced=True,
)
DEPTH_RANGE = Ordered(
    DEPTH_NEAR.name,
    DEPTH_FAR.name,
    "0 leaves either to the shot",
    strict=True,
    unset=0.0,
    unit=" m",
)
MEMORY = Setting(
    name="memory",
    label="Memory",
    default=AUTO,
    help="How the model is held: 'auto' takes the fastest way that fits, and a smaller one should"
    " the memory run out. The others from the fastest to the one that needs the least memory.",
    choices=(AUTO, *(plan.id for plan in GPU_PLANS if plan.bits > FOUR)),
    advanced=True,
)
# For cards that can be held in 4 bits.
MEMORY_FOUR_BITS = replace(MEMORY, choices=(AUTO, *(plan.id for plan in GPU_PLANS)))
ATTENTION = Setting(
    name="attention",
    label="Attention",
    default="auto",
    help="How attention is computed: 'auto' takes the fastest exact way that is installed, 'sage' a"
    " faster one that rounds; what is not installed is told and torch's own is used.",
    choices=("auto", "native", "flash", "sage"),
    advanced=True,
)
COMPILE = Setting(
    name="compile",
    label="Compile",
    default=False,
    help="Compile the model's blocks first, which takes minutes once a session and makes every step"
    " faster; only where all of the model stays on the GPU.",
    advanced=True,
)
