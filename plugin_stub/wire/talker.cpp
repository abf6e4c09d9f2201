#include "talker.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <optional>
#include <thread>

#if !defined(_WIN32)
#include <csignal>
#include <dlfcn.h>
#endif

#include "hash.hpp"
#include "wire/cache.hpp"
#include "wire/link.hpp"
#include "wire/messages.hpp"
#include "wire/session.hpp"

namespace stemweave {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPatience{200};    // for the thread to end
constexpr milliseconds kPingEvery{1000};
constexpr milliseconds kGreetEvery{1000};
constexpr milliseconds kSilentAfter{5000};
constexpr int kTurn = 64;                 // messages taken before the recording is looked at again
constexpr int kShort = 5;                 // milliseconds between two looks at the recording while something happens
constexpr int kLong = 40;                 // and while nothing does

std::string default_server() {
    const char* address = std::getenv("STEMWEAVE_SERVER");
    return address && *address ? address : "tcp://127.0.0.1:27182";
}

bool same_major(const std::string& version) {
    const std::string ours = kProtocolVersion;
    return version.substr(0, version.find('.')) == ours.substr(0, ours.find('.'));
}

}  // namespace

// A saved recipe and its stems; null where the cache no longer has them.
struct Restored {
    Recipe recipe;
    std::shared_ptr<StemSet> stems;
};

struct Talker::Shared {
    explicit Shared(std::shared_ptr<Core> its_core) : core(std::move(its_core)) {}

    void run();
    // From the thread, or from a host's thread that opens a project: the player takes one at a time.
    void play(std::shared_ptr<const StemSet> stems) {
        std::lock_guard<std::mutex> lock(player_mutex);
        core->player.play(std::move(stems));
    }

    const std::shared_ptr<Core> core;
    std::mutex player_mutex;
    std::atomic<bool> stop{false};
    std::atomic<bool> wants_separation{false};
    std::atomic<bool> wants_accompaniment{false};
    std::atomic<int> role{0};
    std::atomic<unsigned> wanted{0b1111};  // a bit for each of kStemNames but the residual
    std::atomic<int> tracks{0};
    std::atomic<bool> wants_cancel{false};
    std::atomic<Connection> connection{Connection::absent};
    std::atomic<JobState> state{JobState::none};
    std::atomic<double> progress{0.0};

    // Between the thread and the host's other threads, never the callback.
    mutable std::mutex mutex;
    std::thread thread;
    std::condition_variable ended_signal;
    bool ended = false;
    Status status;
    std::string recipe;                          // of the stems that play
    std::optional<Restored> to_restore;
    std::optional<std::string> to_connect;
    std::string session = session_of_process();  // of the host's tracks
    std::string name;

  private:
    void follow_wishes();
    void announce();
    void stay_connected();
    void receive(int wait);
    void handle(const Message& message, const std::string& payload);
    void separate();
    void accompany();
    void begin(std::unique_ptr<Job> job);
    void keep();
    void bring_back(const Restored& restored);
    void forget_server();
    void greet_again();
    void ask_again();
    void lose(const std::string& why);
    void tell();

    std::unique_ptr<Link> link_;  // made and ended on the thread
    Cache cache_;
    Take take_;
    std::unique_ptr<Job> job_;
    std::shared_ptr<StemSet> good_;  // the last finished stems: what plays when a job is cancelled or fails
    Session session_;
    bool to_ask_again_ = false;
    int64_t seed_ = 0;
    bool kept_ = false;
    std::string server_ = default_server();
    std::string server_session_;
    std::string folder_;
    std::string trouble_;       // of the connection
    std::string job_trouble_;
    Clock::time_point heard_ = Clock::now();
    Clock::time_point pinged_{};
    Clock::time_point greeted_{};
};

void Talker::Shared::run() {
    link_ = std::make_unique<Link>();
    while (!stop) {
        const bool came = core->capture.drain(
            [this](const Mark& at, const float* stereo, size_t frames) { take_.write(at, stereo, frames); });
        {
            std::lock_guard<std::mutex> lock(player_mutex);
            core->player.collect();
        }
        stay_connected();
        announce();
        follow_wishes();
        receive(came || (job_ && job_->is_open()) ? kShort : kLong);
        if (job_ && job_->state() == JobState::done && !kept_) keep();
        tell();
    }
    if (connection == Connection::connected) link_->send(bye());
    link_.reset();
}

void Talker::Shared::follow_wishes() {
    std::optional<Restored> restore;
    std::optional<std::string> address;
    {
        std::lock_guard<std::mutex> lock(mutex);
        restore.swap(to_restore);
        address.swap(to_connect);
    }
    if (restore) bring_back(*restore);
    if (address) {
        server_ = address->empty() ? default_server() : *address;
        lose("");
    }
    if (wants_cancel.exchange(false)) {
        wants_accompaniment = false;
        if (job_ && job_->is_open()) {
            job_->cancel(*link_);
            play(good_);
        }
    }
    const bool busy = job_ && job_->is_open();  // asking again while a job runs replaces nothing
    if (busy) wants_accompaniment = false;
    try {
        if (wants_separation.exchange(false) && !busy) separate();
        if (wants_accompaniment && session_.is_known()) accompany();
    } catch (const std::bad_alloc&) {
        job_trouble_ = "This machine has not enough memory for stems of that length. Play less of the song, or close other programs.";
    }
}

void Talker::Shared::announce() {
    if (connection != Connection::connected) return;
    const Range hull = take_.hull();
    Track mine{"", "", kRoles[role], static_cast<int>(std::lround(take_.sample_rate())), hull.start, hull.frames(), core->takes_part};
    std::string key;
    {
        std::lock_guard<std::mutex> lock(mutex);
        mine.name = name;
        key = session;
    }
    session_.announce(*link_, mine, key, wants_accompaniment);
}

// What the callback recorded until now is the job.
void Talker::Shared::separate() {
    if (take_.empty()) {
        job_trouble_ = "Nothing was recorded yet. Let the song play through this plug-in once, then ask again.";
        return;
    }
    if (take_.hull().frames() > kMaxFrames) {
        job_trouble_ = "What was recorded is too long, from its first frame to its last, to be one job. Load the plug-in anew and play less.";
        return;
    }
    seed_ = static_cast<int64_t>(std::hash<std::string>{}(new_uuid()) & 0x7FFFFFFF);
    begin(std::make_unique<Job>(take_, std::map<std::string, int64_t>{{"seed", seed_}}));
}

// The tracks of the session that take part are the job, from the first frame that one of them has to the last.
void Talker::Shared::accompany() {
    wants_accompaniment = false;
    const auto& given = session_.tracks();
    if (given.empty()) {
        job_trouble_ = "No track that takes part has anything recorded. Let the song play once through the tracks to be listened to.";
        return;
    }
    if (session_.hull().frames() > kMaxFrames / static_cast<int64_t>(given.size())) {
        job_trouble_ = "The tracks are too long, or lie too far apart on the timeline, to be one job. Let some take no part.";
        return;
    }
    std::vector<std::string> missing;
    for (int stem = 0; stem < kStems; ++stem) {
        if (wanted >> stem & 1) missing.emplace_back(kStemNames[stem]);
    }
    for (const Track& track : given) {
        missing.erase(std::remove(missing.begin(), missing.end(), track.role), missing.end());
    }
    if (missing.empty()) {
        job_trouble_ = "There is nothing to make: each stem that is switched on is a track of the session already.";
        return;
    }
    seed_ = static_cast<int64_t>(std::hash<std::string>{}(new_uuid()) & 0x7FFFFFFF);
    begin(std::make_unique<Job>(session_.key(), given.size(), session_.hull(), given.front().sample_rate, missing, "accompany",
                                std::map<std::string, int64_t>{{"seed", seed_}}));
}

void Talker::Shared::begin(std::unique_ptr<Job> job) {
    job_trouble_.clear();
    job_ = std::move(job);
    kept_ = to_ask_again_ = false;
    play(job_->stems());
    if (connection == Connection::connected) job_->submit(*link_);
}

void Talker::Shared::stay_connected() {
    const auto now = Clock::now();
    if (!link_->is_open()) {
        if (now - greeted_ < kGreetEvery) return;
        greeted_ = now;
        if (!link_->open(server_)) {
            trouble_ = link_->why();
            return;
        }
        heard_ = now;
        greeted_ = {};
        connection = Connection::greeting;
    }
    if (now - heard_ > kSilentAfter) {
        const bool refused = connection == Connection::refused;  // then it said why, which is worth more
        return lose(refused ? trouble_ : "No stemweave server answers at " + server_ + ". Start one with: stemweave serve");
    }
    if (connection == Connection::greeting && now - greeted_ >= kGreetEvery) {
        if (link_->send(hello("stemweave-plugin"))) greeted_ = now;
    }
    if (connection == Connection::connected && now - pinged_ >= kPingEvery) {
        pinged_ = now;
        link_->send(ping());
    }
}

void Talker::Shared::forget_server() {
    server_session_.clear();
    session_.forget();
    if (job_) job_->wait();
}

// The server does not know us any more.
void Talker::Shared::greet_again() {
    connection = Connection::greeting;
    forget_server();
    greeted_ = {};
}

void Talker::Shared::lose(const std::string& why) {
    link_->close();
    forget_server();
    connection = Connection::absent;
    trouble_ = why;
}

void Talker::Shared::receive(int wait) {
    Frames frames = link_->receive(wait);
    for (int turn = 1; !frames.empty() && !stop; ++turn) {
        const auto message = frames.size() <= 2 ? Message::read(frames[0].data(), frames[0].size()) : std::nullopt;
        if (message) {
            heard_ = Clock::now();
            handle(*message, frames.size() == 2 ? frames[1] : std::string());
        }
        if (turn == kTurn || !link_->is_open()) return;
        frames = link_->receive(0);
    }
}

void Talker::Shared::handle(const Message& message, const std::string& payload) {
    if (session_.handle(*link_, take_, message)) return ask_again();
    if (message.type() == "welcome") {
        if (!same_major(message.text("version"))) {
            connection = Connection::refused;
            trouble_ = "The server speaks protocol " + message.text("version") + ", this plug-in " + kProtocolVersion +
                       ". Update the older of the two.";
            return;
        }
        const bool again = connection == Connection::connected && server_session_ == message.text("session");
        server_session_ = message.text("session");
        connection = Connection::connected;
        trouble_.clear();
        if (again || !job_ || !job_->is_open()) return;
        to_ask_again_ = job_->givers() > 0;
        if (!to_ask_again_) job_->submit(*link_);
    } else if (message.type() == "pong") {
        if (connection == Connection::connected && message.text("session") != server_session_) greet_again();
    } else if (message.type() == "error" && message.text("code") == "hello_first") {
        if (connection == Connection::connected) greet_again();
    } else if (message.type() == "error" && message.text("code") == "version") {
        connection = Connection::refused;
        trouble_ = message.text("message") + " " + message.text("hint");
    } else if (job_ && message.text("job") == job_->id()) {
        job_->handle(*link_, message, payload);
        if (job_->state() == JobState::failed) job_trouble_ = job_->error();
        if (!job_->is_open() && job_->state() != JobState::done) play(good_);
    } else if (message.type() == "error" && message.text("job").empty()) {
        trouble_ = message.text("message") + " " + message.text("hint");
    }
}

// A job over the session, once its tracks are back at a server that was restarted.
void Talker::Shared::ask_again() {
    if (!to_ask_again_ || !job_ || !job_->is_open() || session_.tracks().size() < job_->givers()) return;
    to_ask_again_ = false;
    job_->submit(*link_);
}

void Talker::Shared::keep() {
    kept_ = true;
    good_ = job_->stems();
    Recipe made;
    made.job = job_->id();
    made.preset = job_->preset();
    made.seed = seed_;
    made.sample_rate = static_cast<int>(job_->stems()->sample_rate);
    made.start = job_->stems()->start;
    made.frames = job_->stems()->frames;
    made.hashes = job_->hashes();
    if (cache_.store(made, job_->track(), *job_->stems())) {
        folder_ = cache_.folder(made);
    } else {
        job_trouble_ = cache_.why();
    }
    std::lock_guard<std::mutex> lock(mutex);
    recipe = made.text();
}

void Talker::Shared::bring_back(const Restored& restored) {
    if (!restored.stems) {
        job_trouble_ = "The stems saved with this project are not on this machine. Play the track once and separate it again.";
        return;
    }
    good_ = restored.stems;
    folder_ = cache_.folder(restored.recipe);
}

void Talker::Shared::tell() {
    state = wants_accompaniment ? JobState::waiting : job_ ? job_->state() : JobState::none;
    progress = job_ ? job_->progress() : 0.0;
    tracks = static_cast<int>(session_.tracks().size());
    std::lock_guard<std::mutex> lock(mutex);
    status.connection = connection;
    status.job = state;
    status.progress = progress;
    status.recorded = take_.hull();
    status.lost = core->capture.lost();
    status.tracks = tracks;
    status.context = session_.hull();
    status.server = server_;
    status.message = !job_trouble_.empty() ? job_trouble_ : trouble_;
    status.folder = folder_;
}

Talker::Talker(std::shared_ptr<Core> core) : shared_(std::make_shared<Shared>(std::move(core))) {
#if !defined(_WIN32)
    sigset_t all, before;  // the host's signals are the host's business
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
#endif
    shared_->thread = std::thread([shared = shared_] {
        try {
            shared->run();
        } catch (const std::exception& error) {  // out of memory, most likely: the track still passes
            std::lock_guard<std::mutex> lock(shared->mutex);
            shared->status.message = std::string("The plug-in's thread has ended: ") + error.what() + ". Load the plug-in again.";
        }
        std::lock_guard<std::mutex> lock(shared->mutex);
        shared->ended = true;
        shared->ended_signal.notify_all();
    });
#if !defined(_WIN32)
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
#endif
}

Talker::~Talker() {
    shared_->stop = true;
    std::unique_lock<std::mutex> lock(shared_->mutex);
    const bool ended = shared_->ended_signal.wait_for(lock, kPatience, [this] { return shared_->ended; });
    lock.unlock();
    if (ended) {
        shared_->thread.join();
        return;
    }
    // The thread hangs in the system (a disk, a name server). It is left behind, and this library with it: unloading would crash it.
    shared_->thread.detach();
#if !defined(_WIN32)
    Dl_info here;
    if (dladdr(reinterpret_cast<void*>(&same_major), &here)) dlopen(here.dli_fname, RTLD_NOW | RTLD_NODELETE);
#endif
}

void Talker::separate() noexcept { shared_->wants_separation = true; }
void Talker::accompany() noexcept { shared_->wants_accompaniment = true; }
void Talker::cancel() noexcept { shared_->wants_cancel = true; }
void Talker::set_role(int role) noexcept { shared_->role = std::clamp(role, 0, static_cast<int>(kRoles.size()) - 1); }
void Talker::want(int stem, bool on) noexcept {
    if (on) shared_->wanted |= 1u << stem;
    else shared_->wanted &= ~(1u << stem);
}
int Talker::role() const noexcept { return shared_->role; }
bool Talker::wants(int stem) const noexcept { return shared_->wanted >> stem & 1; }
int Talker::tracks() const noexcept { return shared_->tracks; }
Connection Talker::connection() const noexcept { return shared_->connection; }
JobState Talker::job() const noexcept { return shared_->state; }
double Talker::progress() const noexcept { return shared_->progress; }

Status Talker::status() const {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    return shared_->status;
}

std::string Talker::recipe() const {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    return shared_->recipe;
}

void Talker::restore(const std::string& text) {
    const auto recipe = Recipe::read(text);
    if (!recipe) return;
    Restored restored{*recipe, Cache().load(*recipe)};
    if (restored.stems) shared_->play(restored.stems);
    std::lock_guard<std::mutex> lock(shared_->mutex);
    shared_->recipe = text;  // kept also where the stems are gone: the project may be opened on the machine that has them
    shared_->to_restore = std::move(restored);
}

void Talker::set_server(const std::string& address) {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    shared_->to_connect = address;
}

std::string Talker::session() const {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    return shared_->session;
}

void Talker::set_session(const std::string& key) {
    if (key.empty()) return;
    std::lock_guard<std::mutex> lock(shared_->mutex);
    shared_->session = session_of_process(key);
}

void Talker::set_name(const std::string& name) {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    size_t size = std::min<size_t>(name.size(), 100);
    while (size > 0 && size < name.size() && (name[size] & 0xC0) == 0x80) --size;  // not in the middle of a letter
    shared_->name = name.substr(0, size);
}

}  // namespace stemweave
