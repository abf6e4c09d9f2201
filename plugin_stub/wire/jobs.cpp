#include "jobs.hpp"

#include <algorithm>
#include <cmath>

#include "hash.hpp"

namespace stemweave {
namespace {

// Longer than any track needs to notice that a server was gone, and to find it again.
constexpr std::chrono::seconds kTracksComeBack{10};
constexpr const char* kNothingYet =
    "Nothing was recorded yet at the host's sample rate, or only silence. Let the song play through this plug-in once, "
    "then ask again.";

int64_t new_seed() { return static_cast<int64_t>(std::hash<std::string>{}(new_uuid()) & 0x7FFFFFFF); }

Audio heard(const Take& take, Range range) {
    Audio audio{std::vector<float>(2 * static_cast<size_t>(range.frames())), static_cast<int>(std::lround(take.sample_rate())), range.start};
    take.read(range.start, audio.samples.data(), static_cast<size_t>(range.frames()));
    return audio;
}

Range range_of(const Recipe& recipe) { return {recipe.start, recipe.start + recipe.frames}; }

// All that a recipe was made of was played again.
bool covers(const Take& take, const Recipe& recipe) {
    const Range hull = take.hull(), its = range_of(recipe);
    return std::lround(take.sample_rate()) == recipe.sample_rate && recipe.frames <= kMaxFrames && hull.start <= its.start &&
           hull.end >= its.end;
}

bool is_separation(const std::string& preset) { return preset.compare(0, 8, "separate") == 0; }

// Those stems that are tracks of the session, or those that are none.
std::vector<std::string> sorted_out(std::vector<std::string> stems, const Session& session, bool there) {
    const auto is_there = [&](const std::string& stem) {
        return std::any_of(session.tracks().begin(), session.tracks().end(), [&](const Track& track) { return track.role == stem; });
    };
    stems.erase(std::remove_if(stems.begin(), stems.end(), [&](const auto& stem) { return is_there(stem) != there; }), stems.end());
    return stems;
}

}  // namespace

void Jobs::separate(Server& server, const Take& take, const std::string& preset) {
    const Range range = take.sounding();
    if (range.frames() == 0) {
        // A project that is opened with the switch left on asks too: its stems play, or offer() says more.
        if (!has_stems()) trouble_ = kNothingYet;
        return;
    }
    if (range.frames() > kMaxFrames) {
        trouble_ = kTooLong;
        return;
    }
    begin(server, std::make_unique<Job>(heard(take, range), preset, new_seed(), new_uuid()));
}

void Jobs::redo(Server& server, const Take& take) {
    if (offer(take) != Offer::make_again) return;
    Audio track;
    if (has_track_) track = {cache_.track(*gone_), gone_->sample_rate, gone_->start};
    has_track_ = !track.samples.empty();  // or it went, or is damaged
    if (!has_track_ && offer(take) != Offer::make_again) return;
    if (!has_track_) track = heard(take, range_of(*gone_));
    // A server may have the job still; once it has ended in vain there, it would only say so again.
    const std::string id = tried_ ? new_uuid() : gone_->job;
    tried_ = true;
    begin(server, std::make_unique<Job>(std::move(track), gone_->preset, gone_->seed, id));
}

Offer Jobs::offer(const Take& take) const {
    if (!gone_ || is_busy()) return Offer::none;
    if (!is_separation(gone_->preset)) return Offer::ask_again;
    return has_track_ || covers(take, *gone_) ? Offer::make_again : Offer::play_first;
}

Range Jobs::gone() const { return gone_ ? range_of(*gone_) : Range{}; }

void Jobs::accompany(Server& server, const Session& session, std::vector<std::string> stems, const Locks& locks) {
    auto order = over(session);
    if (!order) return;
    order->preset = "accompany";
    order->wanted = sorted_out(std::move(stems), session, false);
    if (order->wanted.empty()) {
        trouble_ = "There is nothing to make: each stem that is switched on is a track of the session already.";
        return;
    }
    Range all = session.hull();
    Kept kept = Kept::of(good_, locks, order->audio.sample_rate);
    if (!unlocked(all, order->wanted, kept.locks)) return;
    begin(server, std::make_unique<Job>(*order, session.tracks().size(), std::move(kept)));
}

void Jobs::refill(Server& server, const Session& session, std::vector<std::string> stems, Range stretch, const std::string& preset,
                  const Locks& locks) {
    auto order = over(session);
    if (!order) return;
    if (stretch.frames() <= 0) {
        trouble_ = "Which stretch? Drag over the ruler above the stems, let the loop go round twice, or set Fill from and Fill to, in seconds.";
        return;
    }
    const Range hull = session.hull();
    Range inside{std::max(stretch.start, hull.start), std::min(stretch.end, hull.end)};
    if (inside.frames() <= 0) {
        trouble_ = "Nothing is recorded where the stretch is that was asked for. Let the song play through it once, or move it.";
        return;
    }
    order->preset = preset;
    order->wanted = sorted_out(std::move(stems), session, true);
    if (order->wanted.empty()) {
        trouble_ = "There is nothing to fill: no stem that is switched on is a track of the session. To add one, use Accompany.";
        return;
    }
    Kept kept = Kept::of(good_, locks, order->audio.sample_rate);
    if (!unlocked(inside, order->wanted, kept.locks)) return;
    order->start = static_cast<double>(inside.start - hull.start) / order->audio.sample_rate;
    order->stop = static_cast<double>(inside.end - hull.start) / order->audio.sample_rate;
    begin(server, std::make_unique<Job>(*order, session.tracks().size(), std::move(kept)));
}

bool Jobs::unlocked(Range& stretch, std::vector<std::string>& stems, const Locks& locks) {
    Range open{INT64_MAX, INT64_MIN};
    const auto is_locked = [&](const std::string& stem) {
        const int row = static_cast<int>(std::find(kStemNames.begin(), kStemNames.end(), stem) - kStemNames.begin());
        const Range its = locks.open(row, stretch);
        if (its.frames() > 0) open = {std::min(open.start, its.start), std::max(open.end, its.end)};
        return its.frames() <= 0;
    };
    stems.erase(std::remove_if(stems.begin(), stems.end(), is_locked), stems.end());
    stretch = open;
    if (stems.empty()) trouble_ = "All that would be made anew is locked. Click in the grid what may change.";
    return !stems.empty();
}

std::optional<Order> Jobs::over(const Session& session) {
    const auto& given = session.tracks();
    if (given.empty()) {
        trouble_ = "No track that takes part has anything recorded. Let the song play once through the tracks to be listened to.";
        return std::nullopt;
    }
    if (session.hull().frames() > kMaxFrames / static_cast<int64_t>(given.size())) {
        trouble_ = "The tracks are too long, or lie too far apart on the timeline, to be one job. Let some take no part.";
        return std::nullopt;
    }
    Order order;
    order.context = session.context();
    order.position = session.hull().start;
    order.audio.frames = session.hull().frames();
    order.audio.sample_rate = given.front().sample_rate;
    order.overrides = {{"seed", new_seed()}};
    return order;
}

void Jobs::begin(Server& server, std::unique_ptr<Job> job) {
    trouble_.clear();
    job_ = std::move(job);
    kept_ = asked_ = to_ask_again_ = false;
    called_off_.erase(job_->id());
    player_.play(job_->stems());
    if (server.is_connected()) ask(server);
}

void Jobs::ask(Server& server) {
    to_ask_again_ = false;
    asked_ = true;
    job_->submit(server.link());
}

void Jobs::call_off(Server& server) {
    if (!asked_) return;
    called_off_.insert(job_->id());
    if (server.is_connected()) server.link().send(stemweave::cancel(job_->id()));
}

void Jobs::no_room() {
    trouble_ = "This machine has not enough memory for stems of that length. Play less of the song, or close other programs.";
}

void Jobs::cancel(Server& server) {
    if (!is_busy()) return;
    job_->cancel();
    call_off(server);
    player_.play(good_);
}

void Jobs::handle(Server& server, const Message& message, const std::string& payload) {
    const std::string& type = message.type();
    if (type == "cancelled" || type == "done" || type == "error") called_off_.erase(message.text("job"));
    if (!is_busy() || message.text("job") != job_->id()) return;
    if (type == "cancelled") {  // nobody here asked for it: the server took us for gone
        player_.play(good_);    // which lets go of the stems that were begun
        if (job_->begin_anew()) {
            player_.play(job_->stems());
            ask(server);
            return;
        }
    }
    job_->handle(server.link(), message, payload);
    if (is_busy() || job_->state() == JobState::done) return;
    player_.play(good_);
    if (job_->state() != JobState::failed) return;
    trouble_ = job_->error();
    if (type == "chunk") call_off(server);  // found here: the server goes on
}

void Jobs::wait() {
    if (job_) job_->wait();
}

void Jobs::resume(Server& server) {
    for (const std::string& job : called_off_) server.link().send(stemweave::cancel(job));
    if (!is_busy()) return;
    to_ask_again_ = job_->givers() > 0;
    resumed_ = std::chrono::steady_clock::now();
    if (!to_ask_again_) ask(server);
}

void Jobs::look_for_tracks(Server& server, const Session& session) {
    if (!to_ask_again_ || !is_busy() || !server.is_connected()) return;
    const bool waited = std::chrono::steady_clock::now() - resumed_ > kTracksComeBack;
    if (waited || session.tracks().size() >= job_->givers()) ask(server);
}

std::optional<std::string> Jobs::keep() {
    if (storing_.valid() && storing_.wait_for(std::chrono::seconds(0)) != std::future_status::timeout) end_keeping();
    if (is_keeping()) return std::nullopt;  // the one before; this thread must not wait for a disk
    if (kept_ || !job_ || job_->state() != JobState::done) return std::nullopt;
    kept_ = true;
    gone_.reset();
    good_ = job_->stems();
    player_.play(good_);  // a project's, brought back meanwhile, may play
    Recipe made;
    made.job = job_->id();
    made.preset = job_->preset();
    made.seed = job_->seed();
    made.sample_rate = static_cast<int>(good_->sample_rate);
    made.start = good_->start;
    made.frames = good_->frames;
    made.hashes = job_->hashes();
    folder_.clear();
    stored_in_ = cache_.folder(made);
    // Deferred where the machine gives no thread.
    storing_ = std::async(std::launch::async | std::launch::deferred, [made, cache = cache_, job = job_]() mutable {
        return cache.store(made, job->track(), *job->stems()) ? std::string() : cache.why();
    });
    return made.text();
}

void Jobs::end_keeping() {
    const std::string why = storing_.get();
    if (stored_in_.empty()) return;
    if (why.empty()) folder_ = stored_in_;
    else trouble_ = why;
}

void Jobs::bring_back(const Recipe& recipe, std::shared_ptr<StemSet> stems) {
    gone_.reset();
    trouble_.clear();
    stored_in_.clear();
    if (!stems) {
        gone_ = recipe;
        tried_ = false;
        has_track_ = cache_.has_track(recipe);
        return;
    }
    good_ = std::move(stems);
    folder_ = cache_.folder(recipe);
}

}  // namespace stemweave
