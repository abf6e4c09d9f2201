// A stem's outline for the grid: the largest sample of each of a few columns.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/stems.hpp"

namespace stemweave {

class StemPeaks {
  public:
    static constexpr int kColumns = 240;
    using Columns = std::array<float, kColumns>;

    // Looks at no more than `budget` frames of what has arrived since the last call, so that a host's window never stops; other stems
    // than before begin anew. False when there is nothing left to look at.
    bool follow(std::shared_ptr<const StemSet> stems, int64_t budget);
    // 0 to 1 by column over all of the stems' length; zero where nothing has arrived yet.
    const Columns& of(int stem) const { return columns_[stem]; }
    // Frames of what is shown, from the stems' start on.
    int64_t seen() const { return seen_; }

  private:
    std::weak_ptr<const StemSet> shown_;
    std::array<Columns, kStems> columns_{};
    int64_t seen_ = 0;
};

}  // namespace stemweave
