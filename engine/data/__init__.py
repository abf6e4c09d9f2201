"""Training and test data: a seeded composer, a renderer through FluidSynth, and a reader of Slakh2100's folder layout."""
