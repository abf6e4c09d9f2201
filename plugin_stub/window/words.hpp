// What the window says, in a producer's words.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "window/shown.hpp"

namespace stemweave {

constexpr const char* kVersion = "0.1.0";  // of the plug-in

// 0:07.5; with a minus sign before the timeline's zero.
std::string time_of(int64_t position, double rate);
// "about 2 min left"; "" where nothing is known.
std::string left(std::optional<double> seconds);
std::string connection_line(const Shown& shown);
// What the job is doing, or what to do for one to begin.
std::string job_line(const Shown& shown);
// What can be done about a project's stems that are gone; empty where they are there.
std::string offer(const Shown& shown);
// What is wrong and what to do; empty when all is well.
std::string trouble(const Shown& shown);
// What is wrong, or missing, and what to do about it, for the doctor page; and whether that is trouble, something to do, or neither.
enum class Health { well, waiting, trouble };
std::pair<Health, std::string> diagnosis(const Shown& shown);
// A track's name, or what it can be called where the host gave none.
std::string name_of(const Track& track, size_t number, bool is_mine);
// For the doctor page: what it is and its value.
std::vector<std::pair<std::string, std::string>> findings(const Shown& shown);

}  // namespace stemweave
