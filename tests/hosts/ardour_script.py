"""The script for Ardour, run by Ardour without a screen on a session of its own: a region from inside its file, at half gain.

    ardour_script.py SCRIPT SONG SELECTED RESULT

SELECTED: "regions" or "tracks"; with ", layered" a transparent copy of the region lies over it, LATER frames on; with ", full disk"
no audio can be written. Ardour's editor is there only with its window: a stand-in says what is selected and notes what it is told
to import. RESULT: position (frames) and the names and audio (2, frames) of what was imported, played (2, frames), what the regions
play, and said, what Ardour printed.
"""

import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from ardour_session import lua, put_region

OFFSET, POSITION, GAIN = 4410, 12345, 0.5
LATER = 3000

MAKE = """
local session = create_session("{folder}", "song", {rate})
session:new_audio_track(2, 2, nil, 1, "song", ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
session:new_audio_track(2, 2, nil, 1, "rests", ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
session:save_state("")
quit()
"""

RUN = """
Session = load_session("{folder}", "song")
Editing = {{}}
local function listed(values)
  local function iter() local i = 0 return function() i = i + 1 return values[i] end end
  return {{ iter = iter }}
end
local regions, tracks = {{}}, {{}}
local track = Session:route_by_name("song")
local playlist = track:to_track():playlist()
if ("{selected}"):find("layered") then
  for region in playlist:region_list():iter() do
    local over = ARDOUR.RegionFactory.clone_region(region, true, false)
    over:set_opaque(false)
    playlist:add_region(over, Temporal.timepos_t({position} + {later}), 1, false)
    break
  end
end
for region in playlist:region_list():iter() do regions[#regions + 1] = region end
if ("{selected}"):find("tracks") then regions, tracks = {{}}, {{ track }} end
Editor = {{}}
function Editor:get_selection()
  return {{
    regions = {{ regionlist = function() return listed(regions) end }},
    tracks = {{ routelist = function() return listed(tracks) end }}
  }}
end
function Editor:do_import(files, _, _, _, _, _, position)
  for file in files:iter() do print("IMPORTED", position:samples(), file) end
end
if ("{selected}"):find("full disk") then
  local open = io.open
  io.open = function(path, mode) return open(mode == "wb" and "/dev/full" or path, mode) end
end
function ardour() end
dofile("{script}")
factory()()
quit()
"""


def main(script: str, song_file: str, selected: str, result: str) -> None:
    song = np.load(song_file)
    folder = Path(tempfile.mkdtemp())
    said = lua(MAKE, folder)
    assert (folder / "session" / "song.ardour").exists(), said
    put_region(folder / "session", song, OFFSET, POSITION, GAIN)
    said = lua(RUN, folder, script=script, selected=selected, position=POSITION, later=LATER)
    played = GAIN * song[:, OFFSET:]
    if "layered" in selected:
        played = np.pad(played, ((0, 0), (0, LATER))) + np.pad(played, ((0, 0), (LATER, 0)))
    imported = re.findall(r"^IMPORTED\s+(\d+)\s+(.+)$", said, re.M)
    np.savez(
        result,
        said=said,
        position=[int(position) for position, _ in imported],
        name=[Path(path).stem for _, path in imported],
        audio=[soundfile.read(path, dtype="float32")[0].T for _, path in imported],
        played=played,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
