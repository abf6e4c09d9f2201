#include "session.hpp"

#include <algorithm>
#include <iterator>
#include <mutex>

#if defined(_WIN32)
#include <cstdlib>
#else
#include <unistd.h>
#endif

#include "text.hpp"

namespace stemweave {
namespace {

constexpr std::chrono::milliseconds kAnnounceEvery{500};
constexpr std::chrono::milliseconds kAskAgainEvery{2000};  // where it was refused
constexpr size_t kMostGifts = 64;
constexpr size_t kLongestKey = 100;  // bytes; a context's name has room for 200 characters
constexpr size_t kLongestMachine = 64;

// Of this machine, else of this process, among those that one server has.
const std::string& machine() {
    static const std::string name = [] {
#if defined(_WIN32)
        const char* told = std::getenv("COMPUTERNAME");
        const std::string own = fit(told ? told : "", kLongestMachine);
#else
        char told[256] = "";
        const std::string own = gethostname(told, sizeof told - 1) == 0 ? fit(told, kLongestMachine) : "";
#endif
        return own.empty() ? new_uuid() : own;
    }();
    return name;
}

}  // namespace

std::string session_of_process(const std::string& opened) {
    static std::mutex mutex;
    static std::string session = new_uuid();
    std::lock_guard<std::mutex> lock(mutex);
    if (!opened.empty()) session = opened;
    return session;
}

void Session::announce(Link& link, Track mine, const std::string& key, bool somebody_waits) {
    mine.id = id_;
    if (mine.frames > kMaxFrames) {  // what the server would refuse
        announced_ = {};
        trouble_ = kTooLong;
        return;
    }
    // Songs that were begun from one template have one key, on whichever machines they are open.
    const std::string context = fit(key, kLongestKey) + "@" + machine();
    if (!(mine == announced_ && context == context_)) {
        const auto now = std::chrono::steady_clock::now();
        const bool urgent = somebody_waits && !since_wish_;
        if (now - announced_at_ < (trouble_.empty() ? kAnnounceEvery : kAskAgainEvery) && !urgent) return;
        if (!link.send(join(context, mine))) return;
        announced_ = mine;
        announced_at_ = now;
        context_ = context;
        is_known_ = false;
    }
    since_wish_ = somebody_waits;
}

bool Session::handle(Link& link, const Take& take, const Message& message) {
    if (message.type() == "tracks") {
        if (message.text("context") == context_) hear_of(tracks_of(message));
        return true;
    }
    if (message.type() == "error" && message.text("job").empty()) {
        trouble_ = message.text("message") + " " + message.text("hint");
        announced_ = {};  // a place may become free
        return true;
    }
    if (message.type() == "give") {
        if (gifts_.size() == kMostGifts) gifts_.clear();  // more than any session asks for
        gifts_.insert_or_assign(message.text("job"), Gift(message));
        return true;
    }
    const auto gift = message.type() == "credit" ? gifts_.find(message.text("job")) : gifts_.end();
    if (gift == gifts_.end()) return false;
    gift->second.send(link, take, message.integer("chunks"));
    if (gift->second.is_whole()) gifts_.erase(gift);
    return true;
}

void Session::hear_of(const std::vector<Track>& all) {
    is_known_ = std::find(all.begin(), all.end(), announced_) != all.end();
    if (is_known_) trouble_.clear();
    members_ = all;
    tracks_.clear();
    std::copy_if(all.begin(), all.end(), std::back_inserter(tracks_), [](const Track& its) { return its.takes_part && its.frames > 0; });
}

void Session::forget() {
    context_.clear();
    trouble_.clear();
    is_known_ = false;
    members_.clear();
    tracks_.clear();
    gifts_.clear();
}

Range Session::hull() const {
    if (tracks_.empty()) return {};
    Range hull{INT64_MAX, INT64_MIN};
    for (const Track& track : tracks_) {
        hull.start = std::min(hull.start, track.start);
        hull.end = std::max(hull.end, track.start + track.frames);
    }
    return hull;
}

}  // namespace stemweave
