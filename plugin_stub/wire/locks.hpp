// Cells of the grid of stems and time that stay as they are, whatever is made anew around them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/stems.hpp"
#include "core/take.hpp"

namespace stemweave {

class Locks {
  public:
    // stem: index into kStemNames.
    void set(int stem, Range range, bool locked);
    // In order, none touching the next.
    const std::vector<Range>& of(int stem) const { return ranges_[static_cast<size_t>(stem)]; }
    // A range without what is locked at its beginning and end; empty where all of it is.
    Range open(int stem, Range range) const;
    bool operator==(const Locks& other) const { return ranges_ == other.ranges_; }

    // As it is saved in the host's project; what cannot be read is left out.
    std::string text() const;
    static Locks read(const std::string& text);

  private:
    std::array<std::vector<Range>, kStems> ranges_;
};

// Finished stems, and which of their cells the next ones take over.
struct Kept {
    std::shared_ptr<const StemSet> stems;  // null: nothing is kept
    Locks locks;

    // Of locks, what there is anything to keep of: cells of stems that were made, at the rate of the next ones.
    static Kept of(std::shared_ptr<const StemSet> stems, const Locks& locks, double sample_rate);
    bool any(int stem) const { return !locks.of(stem).empty(); }
    // All of a stem that is not made anew.
    void copy(int stem, StemSet& to) const;
    // What is locked of frames `from` to `to` (of `made`), bit for bit, with a short crossfade outside of it.
    void lay_over(StemSet& made, int stem, int64_t from, int64_t to) const;
};

}  // namespace stemweave
