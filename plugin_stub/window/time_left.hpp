// How long a job still takes, from how fast it has come on so far.
#pragma once

#include <optional>

namespace stemweave {

class TimeLeft {
  public:
    // now: seconds of any clock that only goes forward. progress: 0 to 1. Call it with running = false while no job is worked on, and
    // what was learned is forgotten.
    void see(double now, bool running, double progress);
    // Nothing until a job has come on far enough to tell.
    std::optional<double> seconds(double now) const;

  private:
    bool running_ = false;
    double first_time_ = 0.0;
    double first_ = 0.0;
    double last_time_ = 0.0;
    double last_ = 0.0;
};

}  // namespace stemweave
