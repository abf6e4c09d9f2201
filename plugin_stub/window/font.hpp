// The window's letters, put into the program by the build: what fonts a machine has does not matter.
#pragma once

namespace stemweave {

extern const unsigned char kFont[];
extern const unsigned kFontSize;

}  // namespace stemweave
