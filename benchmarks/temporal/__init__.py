"""Steady in time, both ways side by side: keyframes locked to the world, or temporal layers.

`clips` are made shots, projected and filled by the product; `network` is the draft's with layers
over frames; `training` is flow matching on single frames or whole clips, `settings` is what it is
done with; `ways` makes a clip's frames; `scoring` has the score's own numbers; `trial` does all of
it, and `table` says it.
"""
