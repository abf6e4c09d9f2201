// Makes the picture of a moment from what core and talker publish.
#pragma once

#include "core/core.hpp"
#include "wire/talker.hpp"
#include "window/peaks.hpp"
#include "window/shown.hpp"
#include "window/time_left.hpp"

namespace stemweave {

class Looker {
  public:
    // On the window's thread. True when `shown` is not what it was.
    bool look(const Core& core, const Talker& talker, Shown& shown);
    // Whether the folder could be opened, if that was what was clicked last.
    void could_reveal(bool could) { could_reveal_ = could; }

  private:
    StemPeaks peaks_;
    TimeLeft time_left_;
    bool could_reveal_ = true;
    std::string last_;  // what was seen, in short
};

}  // namespace stemweave
