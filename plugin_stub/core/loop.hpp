// Finds the loop that the transport goes round: DPF hands no loop range on, but a playhead that jumps back twice from the same
// place to the same place can be seen in any host.
#pragma once

#include <atomic>
#include <cstdint>

#include "take.hpp"
#include "transport.hpp"

namespace stemweave {

class LoopWatch {
  public:
    // Callback only, every block.
    void see(const Transport& now, uint32_t frames) noexcept {
        if (now.rolling && was_rolling_ && now.position < expected_) {
            const Range jump{now.position, expected_};
            if (jump == last_) tell(jump);
            last_ = jump;
        }
        was_rolling_ = now.rolling;
        expected_ = now.position + frames;
    }

    // Not while see() runs.
    void forget() noexcept {
        end_.store(kNone);
        last_ = {};
        was_rolling_ = false;
    }

    // The latest loop, empty before the first; any thread.
    Range range() const noexcept {
        const int64_t end = end_.load();
        const int64_t start = start_.load();
        return end_.load() == end && end != kNone ? Range{start, end} : Range{};
    }

  private:
    static constexpr int64_t kNone = INT64_MIN;

    void tell(Range loop) noexcept {  // no reader gets the end of one with the beginning of another
        end_.store(kNone);
        start_.store(loop.start);
        end_.store(loop.end);
    }

    std::atomic<int64_t> start_{0};
    std::atomic<int64_t> end_{kNone};
    // Of the callback:
    Range last_;
    int64_t expected_ = 0;
    bool was_rolling_ = false;
};

}  // namespace stemweave
