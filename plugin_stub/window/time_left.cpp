#include "window/time_left.hpp"

#include <algorithm>

namespace stemweave {
namespace {

constexpr double kEnough = 0.03;  // of the job
constexpr double kAWhile = 0.3;   // seconds

}  // namespace

void TimeLeft::see(double now, bool running, double progress) {
    if (!running || !running_ || progress < last_) {  // another job, or the same from its beginning
        running_ = running;
        first_time_ = last_time_ = now;
        first_ = last_ = progress;
    }
    if (progress > last_) {
        last_time_ = now;
        last_ = progress;
    }
}

std::optional<double> TimeLeft::seconds(double now) const {
    const double came = last_ - first_, took = last_time_ - first_time_;
    if (!running_ || came < kEnough || took < kAWhile) return std::nullopt;
    return std::max(0.0, (1.0 - last_) * took / came - (now - last_time_));
}

}  // namespace stemweave
