"""A session in Ardour without a screen: a region of the song on a track with the LV2, played and separated; then exported, the
stems alone, by another process that opens the saved session while no server is there.

    ardour_session.py FORMATS SONG RESULT

RESULT: track (2, frames), what the plug-in recorded; export (2, frames), the sum of the five stem buses at the master.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

RATE = 44100
SUPERCLOCK = 282_240_000 // RATE  # Ardour's ticks a sample

START = """
AudioEngine:set_backend("None (Dummy)", "", "")
AudioEngine:set_sample_rate({rate})
AudioEngine:start()
"""

MAKE = """
local session = create_session("{folder}", "song", {rate})
local tracks = session:new_audio_track(2, 2, nil, 1, "song", ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
for track in tracks:iter() do
  local plugin = ARDOUR.LuaAPI.new_plugin(session, "urn:stemweave:plugin", ARDOUR.PluginType.LV2, "")
  assert(not plugin:isnil())
  assert(track:add_processor_by_index(plugin, 0, nil, true) == 0)
  assert(track:n_outputs():n_audio() == 12)
  track:panner_shell():set_bypassed(true)
  track:output():audio(0):disconnect_all()
  track:output():audio(1):disconnect_all()
  for bus = 1, 5 do
    track:output():audio(2 * bus):connect("Master/audio_in 1")
    track:output():audio(2 * bus + 1):connect("Master/audio_in 2")
  end
end
session:save_state("")
quit()
"""

PLAY = """
local session = load_session("{folder}", "song")
local UI = ARDOUR.TransportRequestSource.TRS_UI
local plugin = session:route_by_name("song"):nth_plugin(0)
local function job() local value = ARDOUR.LuaAPI.get_processor_param(plugin, 6) return value end
session:request_locate(0, false, ARDOUR.LocateTransportDisposition.MustStop, UI)
ARDOUR.LuaAPI.usleep(500000)
session:request_roll(UI)
repeat ARDOUR.LuaAPI.usleep(100000) until session:transport_sample() > {frames}
session:request_stop(false, false, UI)
ARDOUR.LuaAPI.usleep(300000)
ARDOUR.LuaAPI.set_processor_param(plugin, 3, 1)
for _ = 1, 6000 do
  ARDOUR.LuaAPI.usleep(100000)
  if job() >= 4 then break end
end
print("JOB", job())
ARDOUR.LuaAPI.set_processor_param(plugin, 3, 0)
session:save_state("")
quit()
"""


def newest(program: str) -> str:
    """Where this program of the newest Ardour is: its name has the version in it, ardour8-lua."""
    found = [path for folder in os.get_exec_path() for path in Path(folder).glob(f"ardour[0-9]*-{program}")]
    if not found:
        raise FileNotFoundError(f"There is no ardour*-{program} here: apt install ardour")
    return str(max(found, key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)]))


def lua(text: str, folder: Path, **values: object) -> str:
    script = folder / "script.lua"
    script.write_text((START + text).format(rate=RATE, folder=folder / "session", **values), encoding="utf-8")
    done = subprocess.run([newest("lua"), str(script)], capture_output=True, text=True, timeout=1000)
    return done.stdout + done.stderr


def put_region(session: Path, song: np.ndarray, offset: int = 0, position: int = 0, gain: float = 1.0) -> None:
    """The song from `offset` on as a region at `position` on the track, and the session's range around it: Ardour imports files
    only with a window."""
    start, length, place = (frames * SUPERCLOCK for frames in (offset, song.shape[1] - offset, position))
    sources = ""
    for number, (side, channel) in enumerate(zip("LR", song, strict=True), 900001):
        soundfile.write(session / f"interchange/session/audiofiles/song%{side}.wav", channel, RATE, subtype="FLOAT")
        sources += (
            f'<Source name="song%{side}.wav" type="audio" flags="" id="{number}" channel="0" origin="" gain="1"/>'
        )
    region = (
        f'<Region name="song" start="a{start}" length="a{length}@a{place}" id="900010" type="audio" '
        f'first-edit="nothing" channels="2" scale-amplitude="{gain}" '
        'source-0="900001" source-1="900002" master-source-0="900001" master-source-1="900002"/>'
    )
    whole = f'<Location id="900020" name="session" start="a0" end="a{place + length}" flags="IsSessionRange" locked="0" cue="0"/>'
    file = session / "song.ardour"
    text = file.read_text(encoding="utf-8")
    text = text.replace("<Sources/>", f"<Sources>{sources}</Sources>").replace(
        "<Locations/>", f"<Locations>{whole}</Locations>"
    )
    text = re.sub(r'(<Playlist id="\d+" name="song"[^>]*?)/>', rf"\1>{region}</Playlist>", text)
    file.write_text(text, encoding="utf-8")


def main(formats: str, song_file: str, result: str) -> None:
    song = np.load(song_file)
    folder = Path(tempfile.mkdtemp())
    os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
    os.environ["LV2_PATH"] = str(folder / "lv2")  # must hold nothing but LV2 bundles
    (folder / "lv2").mkdir()
    (folder / "lv2" / "stemweave.lv2").symlink_to(Path(formats) / "stemweave.lv2")
    said = lua(MAKE, folder)
    assert (folder / "session" / "song.ardour").exists(), said
    put_region(folder / "session", song)
    said = lua(PLAY, folder, frames=song.shape[1])
    assert re.search(r"JOB\s+4", said), said  # done
    os.environ["STEMWEAVE_SERVER"] = "tcp://127.0.0.1:9"
    command = [newest("export"), "-b", "float", "-o", str(folder / "export.wav"), str(folder / "session"), "song"]
    subprocess.run(command, capture_output=True, timeout=1000)
    # Its exit status says nothing: Ardour 7.3 at times crashes when it leaves, plug-in or not. The file must be whole.
    (take,) = Path(os.environ["STEMWEAVE_TAKES"]).iterdir()
    np.savez(
        result,
        track=soundfile.read(take / "track.wav", dtype="float32")[0].T,
        export=soundfile.read(folder / "export.wav", dtype="float32")[0].T,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
