// The way of recorded audio from the callback to the thread that talks: a ring of frames, and a mark wherever time jumps.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "spsc_queue.hpp"
#include "transport.hpp"

namespace stemweave {

// From frame `stream` of everything ever captured on, frames lie one after another from `position`.
struct Mark {
    uint64_t stream = 0;
    int64_t position = 0;
    double ppq = 0.0;
    double sample_rate = 0.0;
    Musical musical;
    uint64_t pass = 0;  // counts the stretches that were recorded without a stop or a jump
};

class Capture {
  public:
    // frames: capacity of the ring, a power of two.
    explicit Capture(size_t frames = size_t{1} << 20);

    // Callback only. Keeps a block, or, when the reader has fallen behind by the whole ring, counts it as lost: what comes next is
    // stamped anew, so that a loss is a hole and never a shift.
    void write(const float* left, const float* right, uint32_t frames, const Transport& at, double sample_rate) noexcept;

    // Callback only: what follows does not join on to what came before.
    void interrupt() noexcept { joined_ = false; }

    // Reader only. Hands over what has arrived as take(const Mark& at, const float* stereo, size_t frames), where `at` is moved
    // on to the piece's own position (its ppq stays that of the mark). True when there was anything.
    template <typename Take>
    bool drain(Take&& take) {
        const uint64_t written = written_.load(std::memory_order_acquire);
        uint64_t read = read_.load(std::memory_order_relaxed);
        if (read == written) return false;
        while (read < written) {
            for (const Mark* mark = marks_.front(); mark && mark->stream <= read; mark = marks_.front()) {
                current_ = *mark;
                marks_.pop();
            }
            const Mark* next = marks_.front();
            const uint64_t until = next && next->stream < written ? next->stream : written;
            const size_t at = read & mask_;
            const size_t frames = std::min<uint64_t>(until - read, mask_ + 1 - at);
            Mark piece = current_;
            piece.position += static_cast<int64_t>(read - current_.stream);
            take(piece, &ring_[2 * at], frames);
            read += frames;
            read_.store(read, std::memory_order_release);
        }
        return true;
    }

    // Frames that were lost because the reader fell behind; any thread.
    uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

  private:
    const size_t mask_;
    std::vector<float> ring_;
    SpscQueue<Mark> marks_{4096};
    std::atomic<uint64_t> written_{0};
    std::atomic<uint64_t> read_{0};
    std::atomic<uint64_t> lost_{0};

    // Of the callback:
    bool joined_ = false;
    uint64_t pass_ = 0;
    int64_t expected_ = 0;
    double sample_rate_ = 0.0;
    Musical musical_;
    // Of the reader:
    Mark current_;
};

}  // namespace stemweave
