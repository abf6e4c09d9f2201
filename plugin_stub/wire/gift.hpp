// What this track gives to a job over its context, asked for by any instance: a stretch of the take, sent by credit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/take.hpp"
#include "wire/link.hpp"
#include "wire/messages.hpp"

namespace stemweave {

class Gift {
  public:
    // Of a `give` message; nothing is given for one that asks what cannot be.
    explicit Gift(const Message& asked);

    const std::string& job() const { return job_; }
    bool is_whole() const { return sent_ == frames_; }
    // The server takes so many more chunks.
    void send(Link& link, const Take& take, int64_t chunks);

  private:
    std::string job_;
    int64_t offset_ = 0;    // of the job's audio
    int64_t position_ = 0;  // on the timeline
    int64_t frames_ = 0;
    int64_t sent_ = 0;
    bool mono_ = false;
    std::vector<float> piece_;
};

}  // namespace stemweave
