#include "talker.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <new>
#include <optional>
#include <thread>

#if defined(_WIN32)
#include <windows.h>
#else
#include <csignal>
#include <dlfcn.h>
#endif

#include "wire/jobs.hpp"
#include "wire/session.hpp"

namespace stemweave {
namespace {

constexpr std::chrono::milliseconds kPatience{200};  // for the thread to end
constexpr int kTurn = 64;                            // messages taken before the recording is looked at again
constexpr int kShort = 5;                            // milliseconds between two looks at the recording while something happens
constexpr int kLong = 40;                            // and while nothing does

constexpr std::chrono::milliseconds kOutlineEvery{300};
constexpr size_t kOutlineColumns = 240;

// What is asked of all tracks of the session.
enum class Together { nothing, accompany, infill, regenerate };

// What the host's other threads asked for since the last turn.
struct Wishes {
    bool cancel, separation, together;
};

// A saved recipe and its stems; null where the cache no longer has them.
struct Restored {
    Recipe recipe;
    std::shared_ptr<StemSet> stems;
};

}  // namespace

struct Talker::Shared {
    explicit Shared(std::shared_ptr<Core> its_core) : core(std::move(its_core)), jobs_(core->player) {}

    void run();

    const std::shared_ptr<Core> core;
    std::atomic<bool> stop{false};
    std::atomic<bool> wants_separation{false};
    std::atomic<Together> wants_together{Together::nothing};
    std::atomic<double> fill_from{0.0};
    std::atomic<double> fill_to{0.0};
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
    Locks locks;

  private:
    void follow_settings();
    Wishes wishes();
    bool listen();
    void follow(const Wishes& wishes);
    void announce();
    void receive(int wait);
    void handle(const Message& message, const std::string& payload);
    void forget_server();
    void keep();
    void tell();
    void outline();
    void do_together(Together task);
    std::vector<std::string> stems() const;
    Range stretch() const;

    std::unique_ptr<Server> server_;  // made and ended on the thread
    Take take_;
    Session session_;
    Jobs jobs_;
    bool outgrown_ = false;  // the outline no longer shows all of the take
    std::chrono::steady_clock::time_point outlined_{};
};

void Talker::Shared::run() {
    server_ = std::make_unique<Server>();
    while (!stop) {
        const Wishes asked = wishes();
        const bool came = listen();  // after the wishes: what was played before them belongs to the job
        core->player.collect();
        if (server_->look_after() == Server::News::lost) forget_server();
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
    return {cancel, wants_separation.exchange(false), wants_together != Together::nothing};
}

// What the callback recorded since; whether there was anything.
bool Talker::Shared::listen() {
    const bool came = core->capture.drain(
        [this](const Mark& at, const float* stereo, size_t frames) { take_.write(at, stereo, frames); });
    outgrown_ = outgrown_ || came;
    return came;
}

void Talker::Shared::follow(const Wishes& asked) {
    if (asked.cancel) jobs_.cancel(*server_);
    const bool busy = jobs_.is_busy();  // asking again while a job runs replaces nothing
    if (busy) wants_together = Together::nothing;
    try {
        if (asked.separation && !busy) jobs_.separate(*server_, take_);
        if (asked.together && session_.is_known()) do_together(wants_together.exchange(Together::nothing));
    } catch (const std::bad_alloc&) {
        jobs_.no_room();
    }
}

void Talker::Shared::do_together(Together task) {
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
    const Range hull = take_.hull();
    Track mine{"", "", kRoles[role], static_cast<int>(std::lround(take_.sample_rate())), hull.start, hull.frames(), core->takes_part};
    std::string key;
    {
        std::lock_guard<std::mutex> lock(mutex);
        mine.name = name;
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
            handle(*message, frames.size() == 2 ? frames[1] : std::string());
        }
        if (turn == kTurn) return;
        frames = server_->receive(0);
    }
}

void Talker::Shared::handle(const Message& message, const std::string& payload) {
    if (message.type() == "give") listen();  // all that was played until somebody asked for it
    if (session_.handle(server_->link(), take_, message)) return jobs_.hear_of_tracks(*server_, session_);
    switch (server_->handle(message)) {
    case Server::News::none: return;
    case Server::News::lost: return forget_server();
    case Server::News::arrived: return jobs_.resume(*server_);
    case Server::News::other: return jobs_.handle(*server_, message, payload);
    }
}

void Talker::Shared::keep() {
    const auto made = jobs_.keep();
    if (!made) return;
    std::lock_guard<std::mutex> lock(mutex);
    recipe = *made;
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
    status.recorded = take_.hull();
    status.lost = core->capture.lost();
    status.tracks = tracks;
    status.context = session_.hull();
    status.stretch = stretch();
    status.server = server_->address();
    status.protocol = server_->protocol();
    status.package = server_->package();
    status.models = server_->models();
    status.message = !jobs_.trouble().empty() ? jobs_.trouble() : server_->trouble();
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
    hang(session_.id(), {take_.hull(), take_.outline(kOutlineColumns)});
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
#if defined(_WIN32)
    HMODULE here;
    GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                       reinterpret_cast<LPCWSTR>(&session_of_process), &here);
#else
    Dl_info here;
    if (dladdr(reinterpret_cast<void*>(&session_of_process), &here)) dlopen(here.dli_fname, RTLD_NOW | RTLD_NODELETE);
#endif
}

void Talker::separate() noexcept { shared_->wants_separation = true; }
void Talker::accompany() noexcept { shared_->wants_together = Together::accompany; }
void Talker::infill() noexcept { shared_->wants_together = Together::infill; }
void Talker::regenerate() noexcept { shared_->wants_together = Together::regenerate; }
void Talker::set_fill_from(double from) noexcept { shared_->fill_from = from; }
void Talker::set_fill_to(double to) noexcept { shared_->fill_to = to; }
double Talker::fill_from() const noexcept { return shared_->fill_from; }
double Talker::fill_to() const noexcept { return shared_->fill_to; }
void Talker::cancel() noexcept {
    shared_->wants_separation = false;  // also what was asked for a moment ago
    shared_->wants_together = Together::nothing;
    shared_->wants_cancel = true;
}
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

std::shared_ptr<const StemSet> Talker::stems() const {
    return shared_->core->player.playing();
}

std::string Talker::recipe() const {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    return shared_->recipe;
}

void Talker::restore(const std::string& text) {
    const auto recipe = Recipe::read(text);
    if (!recipe) return;
    Restored restored{*recipe, Cache().load(*recipe)};
    if (restored.stems) shared_->core->player.play(restored.stems);
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

Locks Talker::locks() const {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    return shared_->locks;
}

void Talker::set_locks(const Locks& locks) {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    shared_->locks = locks;
}

void Talker::set_name(const std::string& name) {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    size_t size = std::min<size_t>(name.size(), 100);
    while (size > 0 && size < name.size() && (name[size] & 0xC0) == 0x80) --size;  // not in the middle of a letter
    shared_->name = name.substr(0, size);
}

}  // namespace stemweave
