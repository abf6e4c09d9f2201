"""Diffusion in the variance-exploding form of Karras et al. (EDM, 2022): x = clean + sigma * noise."""
