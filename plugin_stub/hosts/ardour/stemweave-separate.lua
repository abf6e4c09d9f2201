ardour {
	["type"] = "EditorAction",
	name = "Separate into stems (stemweave)",
	license = "MIT",
	author = "stemweave",
	description = [[
Separates the selected regions, or else all regions of the selected tracks, and puts each stem on a new track at the place where
it belongs. The regions of one track are one job. Runs the program "stemweave" (the environment's STEMWEAVE names another one), which
asks the server of this machine if there is one. The stems are kept in the session's folder, under stemweave.
]]
}

function factory () return function ()
	local BLOCK = 2048 -- frames read at once
	local program = os.getenv ("STEMWEAVE") or "stemweave"

	local function say (text)
		if LuaDialog then
			LuaDialog.Message ("stemweave", text, LuaDialog.MessageType.Warning, LuaDialog.ButtonType.Close):run ()
		else
			print (text)
		end
	end

	local function quoted (text) return "'" .. text:gsub ("'", "'\\''") .. "'" end

	local function content (path)
		local file = io.open (path, "rb")
		local text = file and file:read ("a") or ""
		if file then file:close () end
		return text
	end

	local function is_there (path)
		local file = io.open (path, "rb")
		if file then file:close () end
		return file ~= nil
	end

	-- The audio regions to separate, by track: { track = , regions = { lowest layer first } }.
	local function chosen ()
		local selection = Editor:get_selection ()
		local regions, routes = {}, {}
		for region in selection.regions:regionlist ():iter () do regions[region:to_stateful ():id ():to_s ()] = true end
		for route in selection.tracks:routelist ():iter () do routes[route:to_stateful ():id ():to_s ()] = true end
		local by_track = {}
		for route in Session:get_tracks ():iter () do
			local there = {}
			for region in route:to_track ():playlist ():region_list ():iter () do
				local wanted = regions[region:to_stateful ():id ():to_s ()]
				if not next (regions) then wanted = routes[route:to_stateful ():id ():to_s ()] end
				local audio = region:to_audioregion ()
				if wanted and not audio:isnil () and not region:muted () then
					there[#there + 1] = {
						audio = audio, layer = region:layer (), opaque = region:opaque (),
						channels = audio:n_channels (), gain = audio:scale_amplitude (),
						first = region:position ():samples (), frames = region:length ():samples ()
					}
				end
			end
			table.sort (there, function (a, b) return a.layer < b.layer end)
			if #there > 0 then by_track[#by_track + 1] = { name = route:name (), regions = there } end
		end
		return by_track
	end

	-- Adds what a region has of the frames [at, at + count) to `block`, interleaved; what lies below an opaque one is covered.
	local memory = ARDOUR.DSP.DspShm (BLOCK)
	local function put (region, block, at, count, channels)
		local from = math.max (at, region.first)
		local frames = math.min (at + count, region.first + region.frames) - from
		if frames <= 0 then return end
		local below = region.opaque and 0 or 1
		for channel = 1, channels do
			region.audio:to_readable ():read (memory:to_float (0), from - region.first, frames, math.min (channel, region.channels) - 1)
			local samples = memory:to_float (0):get_table (frames)
			for i = 1, frames do
				local place = (from - at + i - 1) * channels + channel
				block[place] = block[place] * below + samples[i] * region.gain
			end
		end
	end

	-- The regions of a track as one 32-bit float WAV; the position of its first frame, nothing when the disk does not take it.
	local function write (path, regions)
		local first, last, channels = math.huge, 0, 1
		for _, region in ipairs (regions) do
			first, last = math.min (first, region.first), math.max (last, region.first + region.frames)
			if region.channels > 1 then channels = 2 end
		end
		local rate, size = math.floor (Session:nominal_sample_rate ()), (last - first) * channels * 4
		local file = io.open (path, "wb")
		if not file then return nil end
		local good = file:write ("RIFF", string.pack ("<I4", 36 + size), "WAVEfmt ",
			string.pack ("<I4I2I2I4I4I2I2", 16, 3, channels, rate, rate * channels * 4, channels * 4, 32), "data", string.pack ("<I4", size))
		for at = first, last - 1, BLOCK do
			if not good then break end
			local count, block = math.min (BLOCK, last - at), {}
			for i = 1, count * channels do block[i] = 0 end
			for _, region in ipairs (regions) do put (region, block, at, count, channels) end
			good = file:write (string.pack ("<" .. ("f"):rep (#block), table.unpack (block)))
		end
		good = file:close () and good
		return good and first
	end

	-- The names of the stems that lie in `folder` then; nothing, and what is wrong, when there are none. The window stays alive meanwhile.
	local function separate (name, folder)
		local command = quoted (program) .. " separate " .. quoted (folder .. "/track.wav") .. " -o " .. quoted (folder) .. " --json"
		local into = " > " .. quoted (folder .. "/said") .. " 2> " .. quoted (folder .. "/log")
		os.execute ("( " .. command .. into .. "; echo $? > " .. quoted (folder .. "/ended") .. " ) &")
		local window = LuaDialog and LuaDialog.ProgressWindow ("stemweave", false)
		repeat
			ARDOUR.LuaAPI.usleep (100000)
			if window then window:progress (0, "Separating " .. name) end
		until is_there (folder .. "/ended") -- it may be empty: a full disk has room for its name alone
		if window then window:done () end
		local names = {}
		for stem in (content (folder .. "/said"):match ('"stems":%s*(%b{})') or ""):gmatch ('"([^"]+)":%s*"') do names[#names + 1] = stem end
		local log = content (folder .. "/log")
		for _, file in ipairs { "track.wav", "said", "log", "ended" } do os.remove (folder .. "/" .. file) end
		if #names == 0 then return nil, "The track " .. name .. " could not be separated.\n" .. log end
		return names
	end

	local function import (path, position)
		local files = C.StringVector ()
		files:push_back (path)
		Editor:do_import (files, Editing.ImportDistinctFiles, Editing.ImportAsTrack, ARDOUR.SrcQuality.SrcBest,
			ARDOUR.MidiTrackNameSource.SMFTrackName, ARDOUR.MidiTempoMapDisposition.SMFTempoIgnore,
			Temporal.timepos_t (position), ARDOUR.PluginInfo (), ARDOUR.Track (), false)
	end

	local tracks = chosen ()
	if #tracks == 0 then return say ("Select the audio regions, or the tracks, that are to be separated.") end
	for number, track in ipairs (tracks) do
		local folder = Session:path () .. "/stemweave/" .. os.date ("%Y%m%d-%H%M%S-") .. number
		os.execute ("mkdir -p " .. quoted (folder))
		local first = write (folder .. "/track.wav", track.regions)
		if not first then return say ("The track " .. track.name .. " could not be written to " .. folder .. ": is the disk full?") end
		local stems, trouble = separate (track.name, folder)
		if not stems then return say (trouble) end
		for _, stem in ipairs (stems) do
			local path = folder .. "/" .. track.name:gsub ("[/\\:]", "_") .. " " .. stem .. ".wav" -- a new track is called like its file
			os.rename (folder .. "/" .. stem .. ".wav", path)
			import (path, first)
		end
	end
end end
