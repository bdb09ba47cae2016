"""Stills, depth and cameras in; frames, masks and depth out. Geometry alone, in torch.

    source    a still made ready: picture, inverse depth, slopes
    backward  a frame whose depth is known: every pixel is looked up in a still
    forward   a frame whose depth is not known: a still's pixels are carried into it
    motion    what moves by itself, and so is never taken from a still
    merge     several stills: the best view wins per pixel, seams are blended
    fill      what no still shows, from the background beside it
    frame     all of these, for one frame
    lend      what no still shows, from pictures that were made later
    composite stills, then such pictures, then the background: for one frame
    walk      a shot's stills and guides, frame by frame; threads: several frames at a time

Maps are float32 tensors (C, H, W) or (H, W) on one device. Depth is always inverse depth here
(geometry.py), 0 for the sky. The same code runs on CPU and GPU and gives the same bytes each time
it runs on the same device.
"""
