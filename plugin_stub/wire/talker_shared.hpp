// What the thread that talks and the host's other threads share, and what is the thread's own.
#pragma once

#include "wire/talker.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "wire/session.hpp"

namespace stemweave {

// What is asked of all tracks of the session.
enum class Together { nothing, accompany, infill, regenerate };

// What the host's other threads asked for since the last turn.
struct Wishes {
    bool cancel, separation, redo, together;
};

// A saved recipe and its stems; null where the cache no longer has them.
struct Restored {
    Recipe recipe;
    std::shared_ptr<StemSet> stems;
};

struct Talker::Shared {
    explicit Shared(std::shared_ptr<Core> its_core) : core(std::move(its_core)), jobs_(core->player) {}

    void run();

    const std::shared_ptr<Core> core;
    std::atomic<bool> stop{false};
    std::atomic<bool> wants_separation{false};
    std::atomic<bool> wants_redo{false};
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
    std::atomic<bool> keeping{false};  // stems are on their way to the disk
    Status status;
    std::string recipe;                          // of the stems that play
    std::optional<Restored> to_restore;
    std::optional<std::string> to_connect;
    std::string session = session_of_process();  // of the host's tracks
    std::string name;                            // of the track, as it was typed; empty: the host's
    std::string hosts_name;
    std::string preset = kFirstPreset;
    Locks locks;

  private:
    void follow_settings();
    Wishes wishes();
    bool listen();
    void look_after_server();
    void follow(const Wishes& wishes);
    void separate();
    void announce();
    void receive(int wait);
    void handle(const Message& message, const std::string& payload);
    void forget_server();
    void keep();
    void tell();
    void outline();
    void do_together(Together task);
    Take& take_at(double rate) { return takes_[static_cast<int>(std::lround(rate))]; }
    Take& take() { return take_at(core->sample_rate()); }
    bool is_fresh();
    std::string trouble();
    std::vector<std::string> stems() const;
    Range stretch() const;

    std::unique_ptr<Server> server_;  // made and ended on the thread
    std::map<int, Take> takes_;  // by sample rate: two do not line up by position, and a host that renders at another comes back
    const Take* outlined_of_ = nullptr;
    Session session_;
    Jobs jobs_;
    uint64_t lost_before_ = 0;  // of the recording, when the last job began
    bool outgrown_ = false;  // the outline no longer shows all of the take
    std::chrono::steady_clock::time_point outlined_{};
};

}  // namespace stemweave
