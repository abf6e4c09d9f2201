// Stereo float WAV with a broadcast chunk (EBU Tech 3285) whose time reference is the position on the timeline, so that a DAW can put
// a file where it belongs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stemweave {

// stereo: interleaved. start: position of the first frame, negative ones are written as 0. False when the disk does not take it, or
// beyond the format's 4 GiB.
bool write_wave(const std::string& path, const std::vector<float>& stereo, int sample_rate, int64_t start);

// Fills `stereo` to its size from a file write_wave made; false when it is another file, or another length.
bool read_wave(const std::string& path, std::vector<float>& stereo);

}  // namespace stemweave
