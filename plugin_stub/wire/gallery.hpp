// Outlines of what tracks recorded, for the windows of all instances in this process: audio of others never passes through an instance.
#pragma once

#include <string>
#include <vector>

#include "core/take.hpp"

namespace stemweave {

struct Outline {
    Range range;
    std::vector<float> peaks;  // the largest sample by column over the range
};

// track: its id in the session. Any thread but the callback.
void hang(const std::string& track, Outline outline);
void take_down(const std::string& track);
// Empty where that track lives in another process, or recorded nothing.
Outline outline_of(const std::string& track);

}  // namespace stemweave
