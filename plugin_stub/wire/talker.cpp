#include "talker.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
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

  private:
    void follow_wishes();
    void stay_connected();
    void receive(int wait);
    void handle(const Message& message, const std::string& payload);
    void begin();
    void keep();
    void bring_back(const Restored& restored);
    void greet_again();
    void lose(const std::string& why);
    void tell();

    std::unique_ptr<Link> link_;  // made and ended on the thread
    Cache cache_;
    Take take_;
    std::unique_ptr<Job> job_;
    std::shared_ptr<StemSet> good_;  // the last finished stems: what plays when a job is cancelled or fails
    int64_t seed_ = 0;
    bool kept_ = false;
    std::string server_ = default_server();
    std::string session_;
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
        follow_wishes();
        stay_connected();
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
    if (wants_cancel.exchange(false) && job_ && job_->is_open()) {
        job_->cancel(*link_);
        play(good_);
    }
    if (wants_separation.exchange(false)) begin();
}

// What the callback recorded until now is the job; asking again while one runs replaces nothing.
void Talker::Shared::begin() {
    if (job_ && job_->is_open()) return;
    if (take_.empty()) {
        job_trouble_ = "Nothing was recorded yet. Let the song play through this plug-in once, then ask again.";
        return;
    }
    job_trouble_.clear();
    seed_ = static_cast<int64_t>(std::hash<std::string>{}(new_uuid()) & 0x7FFFFFFF);
    job_ = std::make_unique<Job>(take_, "separate", std::map<std::string, int64_t>{{"seed", seed_}});
    kept_ = false;
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

// The server does not know us any more.
void Talker::Shared::greet_again() {
    connection = Connection::greeting;
    session_.clear();
    greeted_ = {};
    if (job_) job_->wait();
}

void Talker::Shared::lose(const std::string& why) {
    link_->close();
    session_.clear();
    connection = Connection::absent;
    trouble_ = why;
    if (job_) job_->wait();
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
    if (message.type() == "welcome") {
        if (!same_major(message.text("version"))) {
            connection = Connection::refused;
            trouble_ = "The server speaks protocol " + message.text("version") + ", this plug-in " + kProtocolVersion +
                       ". Update the older of the two.";
            return;
        }
        const bool again = connection == Connection::connected && session_ == message.text("session");
        session_ = message.text("session");
        connection = Connection::connected;
        trouble_.clear();
        if (!again && job_ && job_->is_open()) job_->submit(*link_);
    } else if (message.type() == "pong") {
        if (connection == Connection::connected && message.text("session") != session_) greet_again();
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
    state = job_ ? job_->state() : JobState::none;
    progress = job_ ? job_->progress() : 0.0;
    std::lock_guard<std::mutex> lock(mutex);
    status.connection = connection;
    status.job = state;
    status.progress = progress;
    status.recorded = take_.hull();
    status.lost = core->capture.lost();
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
void Talker::cancel() noexcept { shared_->wants_cancel = true; }
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

}  // namespace stemweave
