// This track among the tracks of its session: tells the others how it stands, hears how they do, gives its audio to their jobs.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "core/take.hpp"
#include "wire/gift.hpp"
#include "wire/hash.hpp"
#include "wire/link.hpp"
#include "wire/messages.hpp"

namespace stemweave {

// Of a take, in a producer's words: more than kMaxFrames.
constexpr const char* kTooLong =
    "What was recorded is too long, from its first frame to its last, to be one job. Load the plug-in anew and play less.";

// Instances of one process are of one session, until a project that is opened says which; those put in later are of that one.
std::string session_of_process(const std::string& opened = "");

class Session {
  public:
    // Says how this track stands, when that has changed: not at every look, for a recording goes on growing, unless somebody waits.
    // mine: its id is left to this. key: of the session; its context is that and this machine.
    void announce(Link& link, Track mine, const std::string& key, bool somebody_waits);
    // True for a message that concerned the session alone.
    bool handle(Link& link, const Take& take, const Message& message);
    // The server does not know us any more.
    void forget();

    // All members have heard what was announced, and that was no earlier than somebody began to wait.
    bool is_known() const { return is_known_ && since_wish_; }
    // Why it cannot be one of the session's tracks; empty when it is, or may be.
    const std::string& trouble() const { return trouble_; }
    const std::string& context() const { return context_; }
    const std::string& id() const { return id_; }
    // All that are there, whether they take part or not, this one too once the server knows it.
    const std::vector<Track>& members() const { return members_; }
    // Those that take part and have something recorded, this one too, and what they cover.
    const std::vector<Track>& tracks() const { return tracks_; }
    Range hull() const;

  private:
    void hear_of(const std::vector<Track>& all);

    const std::string id_ = new_uuid();
    Track announced_;
    std::string context_;
    std::string trouble_;
    bool is_known_ = false;
    bool since_wish_ = false;
    std::chrono::steady_clock::time_point announced_at_{};
    std::vector<Track> members_;
    std::vector<Track> tracks_;
    std::map<std::string, Gift> gifts_;  // by job
};

}  // namespace stemweave
