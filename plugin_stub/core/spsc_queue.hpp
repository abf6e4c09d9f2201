// A bounded queue between one writing and one reading thread, neither of which ever waits.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

namespace stemweave {

template <typename T>
class SpscQueue {
  public:
    // capacity: a power of two.
    explicit SpscQueue(size_t capacity) : items_(capacity) {}

    // False, and nothing kept, when the queue is full.
    bool push(const T& item) noexcept {
        const size_t head = head_.load(std::memory_order_relaxed);
        if (head - tail_.load(std::memory_order_acquire) == items_.size()) return false;
        items_[head & (items_.size() - 1)] = item;
        head_.store(head + 1, std::memory_order_release);
        return true;
    }

    // The oldest item, left where it is, or null.
    const T* front() const noexcept {
        const size_t tail = tail_.load(std::memory_order_relaxed);
        if (tail == head_.load(std::memory_order_acquire)) return nullptr;
        return &items_[tail & (items_.size() - 1)];
    }

    // Only after front() gave an item.
    void pop() noexcept { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  private:
    std::vector<T> items_;
    std::atomic<size_t> head_{0};
    std::atomic<size_t> tail_{0};
};

}  // namespace stemweave
