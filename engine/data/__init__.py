"""Training and test data: a seeded composer of four-stem music, its renderer, and a reader of Slakh2100's folder layout.

compose(seed, seconds)    song.py        what a song is: notes and controllers, on a clock of seconds
                          composer.py    a seed becomes a song: form.py, harmony.py, styles.py, performance.py
                          playing.py     what players share; bass.py, drums.py with grooves.py, guitar.py, piano.py
Renderer(fonts).render    render.py      a song becomes four stems, through FluidSynth
make_font(path, ...)      recorded.py    a sound font of recorded notes
in_common(font, other)    fonts.py       whether two fonts share recordings
mix(stems, rng)           mixing.py      what a mixing engineer might have done to them
render_dataset(...)       dataset.py     songs become folders of tracks
Tracks(folder)            tracks.py      and are read again
"""
