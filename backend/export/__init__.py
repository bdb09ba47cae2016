"""Exports: a take as a movie, a shot or a take as a nerfstudio dataset.

Each is written beside its target and renamed when it is whole, so that one that was cancelled or
failed leaves nothing behind.
"""
