// Colours and sizes of the window.
#pragma once

#include <array>
#include <cstdint>

namespace stemweave {

struct Colour {
    uint8_t r, g, b;
};

namespace theme {

constexpr Colour kGround{22, 25, 31};
constexpr Colour kPanel{32, 37, 46};
constexpr Colour kEdge{62, 70, 84};
constexpr Colour kText{234, 237, 242};
constexpr Colour kDim{160, 169, 183};
constexpr Colour kFaint{92, 101, 116};
constexpr Colour kProgress{24, 128, 118};  // of the bar; white text on it is legible, and nothing else has it
constexpr Colour kLocked{74, 66, 40};  // cells of the grid that stay as they are
constexpr Colour kGood{88, 196, 124};
constexpr Colour kWaiting{230, 170, 62};
constexpr Colour kBad{240, 110, 116};
constexpr Colour kTrack{150, 178, 214};
constexpr std::array<Colour, 5> kStems{{{222, 148, 74}, {214, 108, 158}, {104, 164, 232}, {140, 196, 96}, {150, 158, 172}}};

constexpr float kSmall = 12.0f;  // heights of letters, in points
constexpr float kNormal = 13.5f;
constexpr float kTitle = 20.0f;

}  // namespace theme
}  // namespace stemweave
