"""Draft: our own depth-guided video diffusion model, shipped in the box."""
