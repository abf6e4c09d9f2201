// What the host says about time at the start of a block.
#pragma once

#include <cstdint>

namespace stemweave {

// Tempo and signature; compared to find where they change.
struct Musical {
    double bpm = 120.0;
    int numerator = 4;
    int denominator = 4;

    bool operator==(const Musical& other) const noexcept {
        return bpm == other.bpm && numerator == other.numerator && denominator == other.denominator;
    }
};

struct Transport {
    bool rolling = false;
    int64_t position = 0;  // of the block's first frame, in samples of the host's timeline; negative in a pre-roll
    double ppq = 0.0;      // the same in quarter notes
    Musical musical;
};

}  // namespace stemweave
