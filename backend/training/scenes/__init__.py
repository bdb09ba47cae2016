"""Procedural scenes to learn from: endless, seeded, rendered in torch.

patterns, textures  families of tileable textures
atlas               their mip levels, looked up
shapes, views       what rays meet
light, render       what they see there
build, layouts      scenes put together
moves               cameras
make                a scene's examples: projected still and truth
sheet               examples side by side
"""

from .example import Example as Example
from .make import make_examples as make_examples
from .sheet import contact_sheet as contact_sheet
