// What this instance asks for: one job at a time, of its own take or of its session's tracks; its stems are played, and kept when
// it is done.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/stems.hpp"
#include "core/take.hpp"
#include "wire/cache.hpp"
#include "wire/job.hpp"
#include "wire/server.hpp"
#include "wire/session.hpp"

namespace stemweave {

// none: the stems are there, or on their way. make_again: redo(). play_first: the track has to be played for that. ask_again: they
// were made of several tracks, which the recipe does not name.
enum class Offer { none, make_again, play_first, ask_again };

class Jobs {
  public:
    explicit Jobs(Player& player) : player_(player) {}

    // What was recorded until now is the job.
    void separate(Server& server, const Take& take, const std::string& preset);
    // Make stems again that a project was saved with and this machine no longer has: the same job, of the track as it was kept, else as
    // it was played again. Where the server still has them they come at once; a second try is a job of another name. Nothing where
    // offer() is another.
    void redo(Server& server, const Take& take);
    // The tracks of the session that take part are the job, from the first frame that one of them has to the last. stems: those that
    // are switched on; they are made, but those that are there already. locks: what stays as it is, here and below.
    void accompany(Server& server, const Session& session, std::vector<std::string> stems, const Locks& locks);
    // A stretch of the timeline is made anew in those `stems` that are tracks of the session; around it they stay as they are.
    // preset: infill, or regenerate for a variation of what is there.
    void refill(Server& server, const Session& session, std::vector<std::string> stems, Range stretch, const std::string& preset,
                const Locks& locks);
    void cancel(Server& server);
    // Not enough memory for what was asked.
    void no_room();
    // What was asked cannot be done, in a producer's words.
    void refuse(const std::string& why) { trouble_ = why; }

    void handle(Server& server, const Message& message, const std::string& payload);
    // The link is down.
    void wait();
    // A server is there that knows nothing of the job.
    void resume(Server& server);
    // Now and then: a job over the session's tracks waits, where the link was down, for as many as there were, but not
    // for good: one may have been taken out, or take no part any more.
    void look_for_tracks(Server& server, const Session& session);

    // Now and then: puts a finished job's stems on disk, beside this thread, for a song takes seconds. The recipe, once, before
    // they are there; until they are the job is said to run.
    std::optional<std::string> keep();
    bool is_keeping() const { return storing_.valid(); }
    // At the end: waits for the disk.
    void finish_keeping() { if (storing_.valid()) storing_.wait(); }
    // The stems of a saved recipe; null where the cache no longer has them. They play already.
    void bring_back(const Recipe& recipe, std::shared_ptr<StemSet> stems);

    // What can be done about a project's stems that are gone, and where on the timeline they were.
    Offer offer(const Take& take) const;
    Range gone() const;

    // Stems play, or did when the project was saved.
    bool has_stems() const { return good_ || gone_; }

    bool is_busy() const { return job_ && job_->is_open(); }
    JobState state() const {
        const JobState its = job_ ? job_->state() : JobState::none;
        return its == JobState::done && is_keeping() ? JobState::running : its;
    }
    double progress() const { return job_ ? job_->progress() : 0.0; }
    // In a producer's words; empty when all is well.
    const std::string& trouble() const { return trouble_; }
    // Of the finished take; empty where it could not be kept.
    const std::string& folder() const { return folder_; }
    // The folder of all takes.
    const std::string& takes() const { return cache_.folder(); }

  private:
    void begin(Server& server, std::unique_ptr<Job> job);
    // Hears what came of storing.
    void end_keeping();
    void ask(Server& server);
    // The server is to stop a job that has ended here.
    void call_off(Server& server);
    // What a job over the session's tracks begins with; nothing, and trouble() says why, where there is none to be had.
    std::optional<Order> over(const Session& session);
    // Leaves of the stretch and of those stems what is not locked; false, and trouble() says so, where that is nothing.
    bool unlocked(Range& stretch, std::vector<std::string>& stems, const Locks& locks);

    Player& player_;
    Cache cache_;
    std::shared_ptr<Job> job_;
    std::shared_ptr<StemSet> good_;  // the last finished stems: what plays when a job is cancelled or fails
    bool asked_ = false;  // a server may have the job
    bool to_ask_again_ = false;
    std::chrono::steady_clock::time_point resumed_{};
    std::set<std::string> called_off_;  // what no server has said the end of yet: a cut may take along what is said
    bool kept_ = false;
    std::optional<Recipe> gone_;  // of stems that a project was saved with
    bool has_track_ = false;      // that they were made of
    bool tried_ = false;          // to make them again, under the name they had
    std::future<std::string> storing_;  // why it could not be kept
    std::string stored_in_;             // empty: of no interest any more
    std::string folder_;
    std::string trouble_;
};

}  // namespace stemweave
