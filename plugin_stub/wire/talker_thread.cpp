#include "talker_shared.hpp"

#include <algorithm>
#include <cmath>
#include <new>

namespace stemweave {
namespace {

constexpr int kTurn = 64;   // messages taken before the recording is looked at again
constexpr int kShort = 5;   // milliseconds between two looks at the recording while something happens
constexpr int kLong = 40;   // and while nothing does

constexpr std::chrono::milliseconds kOutlineEvery{300};
constexpr size_t kOutlineColumns = 240;

}  // namespace

void Talker::Shared::run() {
    server_ = std::make_unique<Server>();
    Cache().tidy();
    while (!stop) {
        const Wishes asked = wishes();
        const bool came = listen();  // after the wishes: what was played before them belongs to the job
        core->player.collect();
        look_after_server();
        jobs_.look_for_tracks(*server_, session_);
        announce();
        follow_settings();
        follow(asked);
        keep();
        tell();
        outline();
        receive(came || jobs_.is_busy() ? kShort : kLong);
    }
    take_down(session_.id());
    server_->leave();
    server_.reset();
    jobs_.finish_keeping();
}

void Talker::Shared::look_after_server() {
    if (server_->look_after() == Server::News::lost) forget_server();
}

void Talker::Shared::follow_settings() {
    std::optional<Restored> restore;
    std::optional<std::string> address;
    {
        std::lock_guard<std::mutex> lock(mutex);
        restore.swap(to_restore);
        address.swap(to_connect);
    }
    if (restore) jobs_.bring_back(restore->recipe, restore->stems);
    if (!address) return;
    server_->choose(*address);
    forget_server();
}

Wishes Talker::Shared::wishes() {
    const bool cancel = wants_cancel.exchange(false);
    return {cancel, wants_separation.exchange(false), wants_redo.exchange(false), wants_together != Together::nothing};
}

// What the callback recorded since; whether there was anything.
bool Talker::Shared::listen() {
    const bool came = core->capture.drain(
        [this](const Mark& at, const float* stereo, size_t frames) { take_at(at.sample_rate).write(at, stereo, frames); });
    outgrown_ = outgrown_ || came || outlined_of_ != &take();
    return came;
}

void Talker::Shared::follow(const Wishes& asked) {
    if (asked.cancel) jobs_.cancel(*server_);
    const bool busy = jobs_.is_busy();  // asking again while a job runs replaces nothing
    if (busy) wants_together = Together::nothing;
    try {
        if (asked.separation && !busy) separate();
        if (asked.redo && !busy) jobs_.redo(*server_, take());
        const bool in_vain = is_fresh() || !session_.trouble().empty();  // to wait for the other tracks
        if (asked.together && (session_.is_known() || in_vain)) do_together(wants_together.exchange(Together::nothing));
    } catch (const std::bad_alloc&) {
        jobs_.no_room();
    }
    if (!busy && jobs_.is_busy()) lost_before_ = core->capture.lost();
}

// Nothing that sounds was recorded, as far as is known here on any track.
bool Talker::Shared::is_fresh() { return take().sounding().frames() == 0 && session_.tracks().empty(); }

void Talker::Shared::separate() {
    std::string by;
    {
        std::lock_guard<std::mutex> lock(mutex);
        by = preset;
    }
    jobs_.separate(*server_, take(), by);
}

void Talker::Shared::do_together(Together task) {
    if (!session_.trouble().empty()) return jobs_.refuse(session_.trouble());
    if (is_fresh() && jobs_.has_stems()) return;  // a project that was opened with the switch left on: what it has stays
    Locks locked;
    {
        std::lock_guard<std::mutex> lock(mutex);
        locked = locks;
    }
    switch (task) {
    case Together::nothing: return;
    case Together::accompany: return jobs_.accompany(*server_, session_, stems(), locked);
    case Together::infill: return jobs_.refill(*server_, session_, stems(), stretch(), "infill", locked);
    case Together::regenerate: return jobs_.refill(*server_, session_, stems(), stretch(), "regenerate", locked);
    }
}

// Those that are switched on.
std::vector<std::string> Talker::Shared::stems() const {
    std::vector<std::string> names;
    for (int stem = 0; stem < kStems; ++stem) {
        if (wanted >> stem & 1) names.emplace_back(kStemNames[stem]);
    }
    return names;
}

// Of the timeline, to be filled.
Range Talker::Shared::stretch() const {
    const double from = fill_from, to = fill_to, rate = core->sample_rate();
    return to > from ? Range{std::llround(from * rate), std::llround(to * rate)} : core->loop.range();
}

void Talker::Shared::announce() {
    if (!server_->is_connected()) return;
    const Range range = take().sounding();
    const int rate = static_cast<int>(std::lround(take().sample_rate()));
    Track mine{"", "", kRoles[role], rate, range.start, range.frames(), core->takes_part};
    std::string key;
    {
        std::lock_guard<std::mutex> lock(mutex);
        mine.name = name.empty() ? hosts_name : name;
        key = session;
    }
    session_.announce(server_->link(), mine, key, wants_together != Together::nothing);
}

// The server does not know us any more.
void Talker::Shared::forget_server() {
    session_.forget();
    jobs_.wait();
}

void Talker::Shared::receive(int wait) {
    Frames frames = server_->receive(wait);
    for (int turn = 1; !frames.empty() && !stop; ++turn) {
        const auto message = frames.size() <= 2 ? Message::read(frames[0].data(), frames[0].size()) : std::nullopt;
        if (message) {
            server_->is_alive();
            look_after_server();  // a cut is noticed before what came after it is heard
            handle(*message, frames.size() == 2 ? frames[1] : std::string());
        }
        if (turn == kTurn) return;
        frames = server_->receive(0);
    }
}

void Talker::Shared::handle(const Message& message, const std::string& payload) {
    switch (server_->handle(message)) {
    case Server::News::none: return;
    case Server::News::lost: return forget_server();
    case Server::News::arrived: return jobs_.resume(*server_);
    case Server::News::other: break;
    }
    if (message.type() == "give") listen();  // all that was played until somebody asked for it
    if (session_.handle(server_->link(), take(), message)) return;
    jobs_.handle(*server_, message, payload);
}

void Talker::Shared::keep() {
    const auto made = jobs_.keep();
    keeping = jobs_.is_keeping();
    if (!made) return;
    std::lock_guard<std::mutex> lock(mutex);
    recipe = *made;
}

// What is told of what is wrong: what was asked for last comes first, and an offer is worth more than that there is no server.
std::string Talker::Shared::trouble() {
    if (!jobs_.trouble().empty()) return jobs_.trouble();
    if (!session_.trouble().empty()) return session_.trouble();
    return jobs_.offer(take()) != Offer::none ? "" : server_->trouble();
}

void Talker::Shared::tell() {
    connection = server_->connection();
    state = wants_together != Together::nothing ? JobState::waiting : jobs_.state();
    progress = jobs_.progress();
    tracks = static_cast<int>(session_.tracks().size());
    std::lock_guard<std::mutex> lock(mutex);
    status.connection = connection;
    status.job = state;
    status.progress = progress;
    status.recorded = take().sounding();
    status.lost = core->capture.lost() - lost_before_;
    status.tracks = tracks;
    status.context = session_.hull();
    status.stretch = stretch();
    status.server = server_->address();
    status.protocol = server_->protocol();
    status.package = server_->package();
    status.models = server_->models();
    status.presets = server_->presets();
    status.preset = preset;
    status.offer = jobs_.offer(take());
    status.gone = jobs_.gone();
    status.message = trouble();
    if (!status.message.empty()) status.last_trouble = status.message;
    status.folder = jobs_.folder();
    status.takes = jobs_.takes();
    status.session = session;
    status.me = session_.id();
    if (!(status.members == session_.members())) status.members = session_.members();
}

// Hung where the windows of this process look.
void Talker::Shared::outline() {
    const auto now = std::chrono::steady_clock::now();
    if (!outgrown_ || now - outlined_ < kOutlineEvery) return;
    outgrown_ = false;
    outlined_ = now;
    outlined_of_ = &take();
    hang(session_.id(), {take().sounding(), take().outline(kOutlineColumns)});
}

}  // namespace stemweave
