"""Playing: what is missing is named; what is there gets the right samples."""

import sys
from types import ModuleType

import numpy as np
import pytest

from bridge.play import check_stem, play, sounddevice
from engine.errors import PresetError, ResourceError


@pytest.fixture
def device(monkeypatch):
    """A sounddevice whose output can be looked at."""
    module = ModuleType("sounddevice")
    module.PortAudioError = type("PortAudioError", (Exception,), {})
    module.played = []
    module.play = lambda samples, rate, blocking: module.played.append((samples, rate, blocking))
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_a_stem_is_played_to_its_end_at_its_rate(device):
    stem = np.arange(6, dtype=np.float32).reshape(2, 3)
    play(stem, 48000)
    ((samples, rate, blocking),) = device.played
    assert np.array_equal(samples, stem.T)
    assert (rate, blocking) == (48000, True)


def test_without_an_output_device_it_says_so(device, monkeypatch):
    def fail(*_, **__):
        raise device.PortAudioError("Error querying device -1")

    monkeypatch.setattr(device, "play", fail)
    with pytest.raises(ResourceError, match="cannot be played here: Error querying device -1"):
        play(np.zeros((1, 9)), 44100)


def test_without_portaudio_it_says_what_to_install(monkeypatch):
    class Missing:
        def find_spec(self, name, *_):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(ResourceError, match="PortAudio is not installed") as caught:
        play(np.zeros((1, 9)), 44100)
    assert "libportaudio2" in caught.value.hint


def test_a_stem_that_will_not_be_there_is_refused():
    with pytest.raises(PresetError, match="no stem called 'kazoo'"):
        check_stem("kazoo", ["bass", "residual"])


def test_the_real_module_can_be_had_or_its_system_package_is_named():
    try:
        found = sounddevice().__name__
    except ResourceError as error:
        found = error.hint
    assert found == "sounddevice" or "libportaudio2" in found
