-- A stand-in for the few functions of REAPER that the script uses, and a project of three tracks: "song" holds three items of the
-- file given as the first argument, one trimmed, one faster and one muted; "notes" a MIDI item; "copy" an item of the same file.
-- Runs the script given as the second argument and prints the project.
--
--   reaper_project.lua SONG SCRIPT PROJECT_FOLDER SELECTED
--
-- SELECTED: item, both, both and midi, both and torn (the copy's file is gone), midi, muted, stretched, track or nothing.
local song, script, folder, selected = table.unpack(arg)

local function item(track, source, start, values)
  local new = { track = track, selected = false, values = values or {} }
  if source then
    local values = { D_STARTOFFS = start or 0, D_PLAYRATE = 1, D_PITCH = 0, B_PPITCH = 1, D_VOL = 1, I_CHANMODE = 0, D_PAN = 0 }
    new.take = { source = source, values = values }
  end
  local usual = { D_POSITION = 0, D_LENGTH = 0, D_FADEINLEN = 0, D_FADEOUTLEN = 0, D_VOL = 1, B_LOOPSRC = 0, B_MUTE = 0 }
  for key, value in pairs(usual) do new.values[key] = new.values[key] or value end
  track.items[#track.items + 1] = new
  return new
end

local tracks = {}
for number, name in ipairs { "song", "notes", "copy" } do tracks[number] = { name = name, items = {}, selected = false } end
local wave = { type = "WAVE", file = song }
local trimmed = item(tracks[1], wave, 0.25, { D_POSITION = 12.5, D_LENGTH = 1.5, D_VOL = 0.5, B_LOOPSRC = 1 })
trimmed.take.values.I_CHANMODE, trimmed.take.values.D_PAN = 3, -0.5
local faster = item(tracks[1], wave, 0, { D_POSITION = 20, D_LENGTH = 1 })
faster.take.values.D_PLAYRATE = 1.25
local muted = item(tracks[1], wave, 0, { D_POSITION = 30, D_LENGTH = 1, B_MUTE = 1 })
local midi = item(tracks[2], { type = "MIDI" })
local copy = item(tracks[3], wave, 0, { D_POSITION = 3, D_LENGTH = 2 })
if selected == "item" then trimmed.selected = true end
if selected:find("both") then trimmed.selected, copy.selected = true, true end
if selected:find("midi") then midi.selected = true end
if selected:find("torn") then copy.take.source = { type = "WAVE", file = folder .. "/torn.wav" } end
if selected == "muted" then muted.selected = true end
if selected == "stretched" then trimmed.selected, trimmed.take.stretch_markers = true, 2 end
if selected == "track" then tracks[1].selected = true end

-- A command as ExecProcess takes it, quoted for the shell: a word that begins with one of three quotes goes on to the next of it.
local function for_shell(command)
  local words = {}
  while command ~= "" do
    local _, word, rest = command:match("^([\"'`])(.-)%1%s*(.*)$")
    if not word then word, rest = command:match("^(%S+)%s*(.*)$") end
    words[#words + 1] = "'" .. word:gsub("'", "'\\''") .. "'"
    command = rest
  end
  return table.concat(words, " ")
end

local function count(list) return #list end
local function value(owner, key) return assert(owner.values[key], key) end
local function set(owner, key, to)
  assert(type(to) == "number", key)
  owner.values[key] = to
  return true
end

reaper = {
  CountSelectedMediaItems = function()
    local number = 0
    for _, track in ipairs(tracks) do
      for _, each in ipairs(track.items) do number = number + (each.selected and 1 or 0) end
    end
    return number
  end,
  CountTracks = function() return count(tracks) end,
  GetTrack = function(_, index) return tracks[index + 1] end,
  GetTrackName = function(track) return true, track.name end,
  IsTrackSelected = function(track) return track.selected end,
  CountTrackMediaItems = function(track) return count(track.items) end,
  GetTrackMediaItem = function(track, index) return track.items[index + 1] end,
  IsMediaItemSelected = function(each) return each.selected end,
  GetActiveTake = function(each) return each.take end,
  TakeIsMIDI = function(take) return take.source.type == "MIDI" end,
  GetTakeNumStretchMarkers = function(take) return take.stretch_markers or 0 end,
  GetMediaItemTake_Source = function(take) return take.source end,
  GetMediaSourceType = function(source) return source.type end,
  GetMediaSourceFileName = function(source) return source.file end,
  GetMediaItemInfo_Value = value,
  GetMediaItemTakeInfo_Value = value,
  SetMediaItemInfo_Value = set,
  SetMediaItemTakeInfo_Value = set,
  SetMediaItemTake_Source = function(take, source) take.source = source end,
  PCM_Source_CreateFromFile = function(path) return { type = "WAVE", file = path } end,
  AddMediaItemToTrack = function(track) return item(track) end,
  AddTakeToMediaItem = function(each)
    each.take = { values = {} }
    return each.take
  end,
  GetMediaTrackInfo_Value = function(track, key)
    assert(key == "IP_TRACKNUMBER")
    for number, each in ipairs(tracks) do
      if each == track then return number + 0.0 end
    end
  end,
  InsertTrackAtIndex = function(index) table.insert(tracks, index + 1, { items = {}, selected = false }) end,
  GetSetMediaTrackInfo_String = function(track, key, text)
    assert(key == "P_NAME")
    track.name = text
  end,
  GetProjectPath = function() return folder end,
  ExecProcess = function(command, patience)
    assert(patience == 0)
    local pipe = io.popen(for_shell(command) .. " 2>&1")
    local said = pipe:read("a")
    local _, _, code = pipe:close()
    return code .. "\n" .. said
  end,
  ShowMessageBox = function(text) print("SAID\t" .. text:gsub("\n", " ")) end,
  Undo_BeginBlock = function() end,
  Undo_EndBlock = function() print("UNDO") end,
  TrackList_AdjustWindows = function() end,
  UpdateArrange = function() end
}

dofile(script)
for _, track in ipairs(tracks) do
  print("TRACK\t" .. track.name)
  for _, each in ipairs(track.items) do
    local v, t = each.values, each.take and each.take.values
    local told = { each.take.source.file or "", v.D_POSITION, v.D_LENGTH, v.D_VOL, v.B_LOOPSRC }
    for _, key in ipairs { "D_STARTOFFS", "D_PLAYRATE", "I_CHANMODE", "D_PAN" } do told[#told + 1] = t[key] or "" end
    print("ITEM\t" .. table.concat(told, "\t"))
  end
end
