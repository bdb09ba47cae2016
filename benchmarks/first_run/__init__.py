"""The first run of a large model with its real weights: every way of guiding it, measured.

`shots` makes or takes the shots, `ways` says how each is made, `run` makes and scores the takes,
`sheets` draws them, `report` writes it all down. See docs/first-run-with-weights.md.
"""
