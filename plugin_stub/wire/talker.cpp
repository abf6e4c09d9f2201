#include "talker.hpp"

#include <algorithm>
#include <system_error>

#if defined(_WIN32)
#include <windows.h>
#else
#include <csignal>
#include <dlfcn.h>
#endif

#include "talker_shared.hpp"
#include "text.hpp"

namespace stemweave {
namespace {

constexpr std::chrono::milliseconds kPatience{200};  // for the thread to end
constexpr std::chrono::seconds kDisk{20};            // for what was made to be on disk
constexpr size_t kLongestName = 100;                 // bytes
constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyz0123456789-";  // of a preset's name

}  // namespace

bool can_be_preset(const std::string& name) {
    return !name.empty() && name.size() <= kLongestName && name.find_first_not_of(kLetters) == std::string::npos;
}

Talker::Talker(std::shared_ptr<Core> core) : shared_(std::make_shared<Shared>(std::move(core))) {
#if !defined(_WIN32)
    sigset_t all, before;  // the host's signals are the host's business
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
#endif
    try {
        shared_->thread = std::thread([shared = shared_] {
            try {
                shared->run();
            } catch (const std::exception& error) {  // out of memory, most likely: the track still passes
                std::lock_guard<std::mutex> lock(shared->mutex);
                shared->status.message =
                    std::string("The plug-in's thread has ended: ") + error.what() + ". Load the plug-in again.";
            }
            std::lock_guard<std::mutex> lock(shared->mutex);
            shared->ended = true;
            shared->ended_signal.notify_all();
        });
    } catch (const std::system_error& error) {  // here too
        shared_->status.message = std::string("The machine gives the plug-in no thread: ") + error.what() +
                                  ". Close other programs and load the plug-in again.";
        shared_->ended = true;
    }
#if !defined(_WIN32)
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
#endif
}

Talker::~Talker() {
    shared_->stop = true;
    std::unique_lock<std::mutex> lock(shared_->mutex);
    const auto has_ended = [this] { return shared_->ended; };
    const bool ended = shared_->ended_signal.wait_for(lock, kPatience, has_ended) ||
                       (shared_->keeping && shared_->ended_signal.wait_for(lock, kDisk, has_ended));
    lock.unlock();
    if (ended) {
        if (shared_->thread.joinable()) shared_->thread.join();
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
void Talker::redo() noexcept { shared_->wants_redo = true; }
void Talker::accompany() noexcept { shared_->wants_together = Together::accompany; }
void Talker::infill() noexcept { shared_->wants_together = Together::infill; }
void Talker::regenerate() noexcept { shared_->wants_together = Together::regenerate; }
void Talker::set_fill_from(double from) noexcept { shared_->fill_from = from; }
void Talker::set_fill_to(double to) noexcept { shared_->fill_to = to; }
double Talker::fill_from() const noexcept { return shared_->fill_from; }
double Talker::fill_to() const noexcept { return shared_->fill_to; }
void Talker::cancel() noexcept {
    shared_->wants_separation = shared_->wants_redo = false;  // also what was asked for a moment ago
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
    if (!recipe || (text == this->recipe() && stems())) return;
    Restored restored{*recipe, nullptr};
    try {
        restored.stems = Cache().load(*recipe);
    } catch (const std::exception&) {  // no memory, or a disk that is broken: an exception would end the host
    }
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

std::string Talker::preset() const {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    return shared_->preset;
}

void Talker::set_preset(const std::string& name) {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    shared_->preset = can_be_preset(name) ? name : kFirstPreset;
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
    shared_->name = fit(name, kLongestName);
}

void Talker::set_hosts_name(const std::string& name) {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    shared_->hosts_name = fit(name, kLongestName);
}

}  // namespace stemweave
