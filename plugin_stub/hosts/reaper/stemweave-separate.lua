-- Separate into stems (stemweave): a ReaScript. Load it in REAPER's list of actions.
--
-- Separates the files behind the selected items, or else behind all items of the selected tracks, and puts each stem on a new track
-- below, with the same position, trimming, looping, rate, channels and pan as the item had. Muted items are left out. A file that
-- several items play from is separated once. Runs the program "stemweave" (the environment's STEMWEAVE names another one), which
-- asks the server of this machine if there is one. REAPER stands still meanwhile. The stems are kept in the project's folder, under
-- stemweave.

local program = os.getenv("STEMWEAVE") or "stemweave"

local function say(text) reaper.ShowMessageBox(text, "stemweave", 0) end

-- Selected items that are heard, else those of selected tracks, by track, from the project's top: {track =, name =, items = {...}}.
local function chosen()
  local any = reaper.CountSelectedMediaItems(0) > 0
  local by_track = {}
  for t = 0, reaper.CountTracks(0) - 1 do
    local track = reaper.GetTrack(0, t)
    local items = {}
    for i = 0, reaper.CountTrackMediaItems(track) - 1 do
      local item = reaper.GetTrackMediaItem(track, i)
      local wanted = reaper.IsMediaItemSelected(item)
      if not any then wanted = reaper.IsTrackSelected(track) end
      if wanted and reaper.GetMediaItemInfo_Value(item, "B_MUTE") == 0 then items[#items + 1] = item end
    end
    local _, name = reaper.GetTrackName(track)
    if #items > 0 then by_track[#by_track + 1] = { track = track, name = name, items = items } end
  end
  return by_track
end

-- The file that an item plays, or nothing and why that cannot be separated.
local function file_of(item)
  local take = reaper.GetActiveTake(item)
  if not take or reaper.TakeIsMIDI(take) then return nil, "An item without audio cannot be separated." end
  local source = reaper.GetMediaItemTake_Source(take)
  if reaper.GetMediaSourceType(source) == "SECTION" then
    return nil, "An item that is a section of a file, or plays backwards, must be glued first (Item: Glue items)."
  end
  if reaper.GetTakeNumStretchMarkers(take) > 0 then
    return nil, "An item with stretch markers must be glued first (Item: Glue items)."
  end
  return reaper.GetMediaSourceFileName(source)
end

-- `text` as one word of a command, for ExecProcess, which knows no shell but three quotes; nothing when the text has all of them.
local function quoted(text)
  for _, quote in ipairs { '"', "'", "`" } do
    if not text:find(quote, 1, true) then return quote .. text .. quote end
  end
end

-- {stem = path} of a file; nothing, and what is wrong, when there are none.
local function separate(file, folder)
  for _, name in ipairs { program, file, folder } do
    if not quoted(name) then return nil, name .. " cannot be named to a program: rename it, without one of \" ' and `." end
  end
  local command = ("%s separate %s -o %s --json"):format(quoted(program), quoted(file), quoted(folder))
  local answer = reaper.ExecProcess(command, 0) -- the exit code, a line end, what the program said
  if not answer then return nil, 'The program "' .. program .. '" cannot be started. Set STEMWEAVE to where it is.' end
  local code, said = answer:match("^(%-?%d+)\n(.*)$")
  local names = said and said:match('"stems":%s*(%b{})')
  if code ~= "0" or not names then return nil, file .. " could not be separated.\n" .. (said or answer) end
  local stems = {}
  for name in names:gmatch('"([^"]+)":%s*"') do stems[#stems + 1] = { name = name, path = folder .. "/" .. name .. ".wav" } end
  return stems
end

local COPIED_FROM_ITEM = { "D_POSITION", "D_LENGTH", "D_FADEINLEN", "D_FADEOUTLEN", "D_VOL", "B_LOOPSRC" }
local COPIED_FROM_TAKE = { "D_STARTOFFS", "D_PLAYRATE", "D_PITCH", "B_PPITCH", "D_VOL", "I_CHANMODE", "D_PAN" }

local function place(item, path, track)
  local new = reaper.AddMediaItemToTrack(track)
  local take, was = reaper.AddTakeToMediaItem(new), reaper.GetActiveTake(item)
  reaper.SetMediaItemTake_Source(take, reaper.PCM_Source_CreateFromFile(path))
  for _, key in ipairs(COPIED_FROM_ITEM) do reaper.SetMediaItemInfo_Value(new, key, reaper.GetMediaItemInfo_Value(item, key)) end
  for _, key in ipairs(COPIED_FROM_TAKE) do
    reaper.SetMediaItemTakeInfo_Value(take, key, reaper.GetMediaItemTakeInfo_Value(was, key))
  end
end

-- The tracks for the stems of `track`, made below it when the first item needs them.
local function tracks_below(track, name, stems, made)
  for number, stem in ipairs(stems) do
    if not made[stem.name] then
      local index = math.floor(reaper.GetMediaTrackInfo_Value(track, "IP_TRACKNUMBER")) + number - 1
      reaper.InsertTrackAtIndex(index, true)
      made[stem.name] = reaper.GetTrack(0, index)
      reaper.GetSetMediaTrackInfo_String(made[stem.name], "P_NAME", name .. " " .. stem.name, true)
    end
  end
end

-- The files that the items play, each once; nothing, and why, when there is an item that cannot be separated.
local function files_of(groups)
  local files, listed = {}, {}
  for _, group in ipairs(groups) do
    for _, item in ipairs(group.items) do
      local file, trouble = file_of(item)
      if not file then return nil, trouble end
      if not listed[file] then files[#files + 1] = file end
      listed[file] = true
    end
  end
  return files
end

-- The stems by file, up to the first that fails, and what is wrong with that one.
local function separate_all(files)
  local parent = reaper.GetProjectPath() .. "/stemweave/" .. os.date("%Y%m%d-%H%M%S-")
  local known = {}
  for number, file in ipairs(files) do
    local stems, trouble = separate(file, parent .. number)
    if not stems then return known, trouble end
    known[file] = stems
  end
  return known
end

local function place_all(groups, known)
  reaper.Undo_BeginBlock()
  for _, group in ipairs(groups) do
    local made = {}
    for _, item in ipairs(group.items) do
      local stems = known[file_of(item)] or {}
      tracks_below(group.track, group.name, stems, made)
      for _, stem in ipairs(stems) do place(item, stem.path, made[stem.name]) end
    end
  end
  reaper.Undo_EndBlock("Separate into stems (stemweave)", -1)
  reaper.TrackList_AdjustWindows(false)
  reaper.UpdateArrange()
end

local function main()
  local groups = chosen()
  if #groups == 0 then return say("Select the items, or the tracks, that are to be separated. Muted items are left out.") end
  local files, unusable = files_of(groups) -- before the first is separated, which takes long
  if not files then return say(unusable) end
  local known, trouble = separate_all(files)
  if next(known) then place_all(groups, known) end
  if trouble then say(trouble) end
end

main()
