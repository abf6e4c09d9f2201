// A song whose every sample is known from its position alone, so that a shift of one sample anywhere is seen.
#pragma once

#include <cstdint>

// Full scale noise, a pure function of (channel, position).
inline float song(int channel, int64_t position) {
    uint64_t x = static_cast<uint64_t>(position) * 2654435761u + static_cast<uint64_t>(channel + 1) * 0x9E3779B97F4A7C15u;
    x ^= x >> 31;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    return static_cast<float>(static_cast<int64_t>(x & 0xFFFFFF) - 0x800000) / 0x800000;
}
