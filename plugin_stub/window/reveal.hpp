// Showing a folder in the desktop's file manager.
#pragma once

#include <string>

namespace stemweave {

// False when that cannot be begun. The file manager gets the host's environment.
bool reveal(const std::string& folder);

}  // namespace stemweave
