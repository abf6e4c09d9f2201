"""The shipped patches in Pd itself: they start jobs on a live server, hear of them, hold the stems in tables and play them."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.osc import engine_by_osc
from support.servers import PATIENCE

PATCHES = Path(__file__).parents[2] / "plugin_stub" / "hosts" / "pd"
SESSION = Path(__file__).parent / "pd" / "session.pd"
PLAY = Path(__file__).parent / "pd" / "play.pd"
RATE = 44100


@pytest.fixture(scope="module")
def osc_port(tmp_path_factory):
    """Where a server is heard by OSC."""
    with engine_by_osc(tmp_path_factory) as server:
        yield server._osc.port


def example_at(port: int, folder: Path) -> Path:
    """The example as it is, its abstraction told another port than the usual one, which may be in use here."""
    text = (PATCHES / "stemweave-example.pd").read_text()
    assert text.count("140 stemweave;") == 1
    path = folder / "example.pd"
    path.write_text(text.replace("140 stemweave;", f"140 stemweave {port};"))
    return path


def pd(folder: Path, port: int, does: str, *more: Path) -> str:
    """Run Pd without audio or window until the session ends it; its console. The first table is written to folder/table.wav."""
    opened = [word for path in (example_at(port, folder), SESSION, *more) for word in ("-open", str(path))]
    sent = ["-send", f"test-out {folder}/table.wav", "-send", f"stemweave-do {does}"]
    command = ["pd", "-nogui", "-noaudio", "-stderr", "-path", str(PATCHES), *opened, *sent]
    return subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE, check=True).stderr


def test_the_patch_separates_and_loads_the_stems_into_tables(osc_port, tmp_path):
    song = 0.1 * np.random.default_rng(0).standard_normal((30_000, 2))
    soundfile.write(tmp_path / "song.wav", song, RATE, subtype="FLOAT")
    console = pd(tmp_path, osc_port, f"separate {tmp_path}/song.wav {tmp_path}/stems")
    table, _ = soundfile.read(tmp_path / "table.wav")
    stem, _ = soundfile.read(tmp_path / "stems" / "bass.wav")
    np.testing.assert_allclose(table, stem, atol=1e-6)
    assert "accepted" in console
    assert "done" in console


def test_the_patch_shows_what_went_wrong(osc_port, tmp_path):
    console = pd(tmp_path, osc_port, f"separate {tmp_path}/none.wav {tmp_path}/stems")
    assert "error" in console
    assert "bad_audio" in console


def test_the_patch_cancels(osc_port, tmp_path):
    """Generating 100 s would take many minutes; the patch stops it."""
    canceller = tmp_path / "cancel.pd"
    canceller.write_text(
        "#N canvas 0 0 300 200 10;\n#X obj 10 10 r stemweave-state;\n#X obj 10 40 route accepted;\n"
        "#X msg 10 70 cancel;\n#X obj 10 100 s stemweave-do;\n#X connect 0 0 1 0;\n#X connect 1 0 2 0;\n#X connect 2 0 3 0;\n"
    )
    console = pd(tmp_path, osc_port, f"generate {tmp_path}/out 100", canceller)
    assert "cancelled" in console
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("rate", [44100, 48000, 22050])
def test_stems_are_played_together_and_at_their_own_speed_whatever_the_rate_of_pd(tmp_path, rate):
    """Stereo beside mono, whose one channel is heard on both sides."""
    stems = (("bass", (330, 550)), ("drums", (440,)))
    for name, pitches in stems:
        soundfile.write(tmp_path / f"{name}.wav", waves(pitches, RATE), RATE, subtype="FLOAT")
    sent = ["-send", f"test-stems {tmp_path}/bass.wav {tmp_path}/drums.wav", "-send", f"test-tape {tmp_path}/tape.wav"]
    command = ["pd", "-batch", "-noaudio", "-r", str(rate), "-path", str(PATCHES), "-open", str(PLAY), *sent]
    subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    tape, _ = soundfile.read(tmp_path / "tape.wav")
    played = waves((330, 550, 440, 440), rate)
    start = np.flatnonzero(tape.any(axis=1))[0]
    assert start <= 64  # a block of Pd's
    inner = slice(2, len(played) - 4)  # Pd reads tables by four points
    np.testing.assert_allclose(tape[start : start + len(played)][inner], played[inner], atol=1e-4)
    assert not tape[start + len(played) + 64 :].any()


def waves(pitches: tuple[int, ...], rate: int) -> np.ndarray:
    """Half a second, (frames, channels), of waves of these pitches in Hz, all of which begin at their peak."""
    time = np.arange(rate // 2) / rate
    return 0.5 * np.cos(2 * np.pi * np.outer(time, pitches))
