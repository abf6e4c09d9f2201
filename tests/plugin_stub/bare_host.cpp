// A host without a plug-in framework: a core and its talker, driven line by line from a test. Every command answers with one JSON line.
//
//   load | unload               make the instance; end it: {"turns": how often an idle thread woke from 10 ms of sleep meanwhile}
//   play POSITION FRAMES BLOCK  {"track_wrong": samples that did not pass untouched, "halves": stem samples that are half the track
//                               where they should be, "same": that are the track itself, "other": that are anything else but
//                               silence}
//   rate HZ                     the host works at that sample rate from here on
//   separate | redo | accompany | infill | regenerate | cancel
//   session KEY | name TEXT | hosts_name TEXT | role NUMBER | preset NAME | want STEM 0|1 | fill FROM TO | lock STEM FROM TO
//   lose FRAMES                 as if the recording could not be kept up with; as many as the ring holds are needed
//   many COUNT DESCRIPTORS      as many instances more, in a process that may have so few descriptors, until one says what is
//                               wrong, and their end: {"message": what it says}
//   no_threads                  from here on no thread is to be had
//   status                      {"connection", "job", "progress", "recorded", "lost", "tracks", "context", "stretch", "message",
//                               "offer", "folder"}
//   recipe | restore TEXT       TEXT with | for line ends
//   random SECONDS              random transport on a guarded thread while jobs are asked for, longer if none is done: {"wrong", ...}
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include "random_host.hpp"
#include "wire/talker.hpp"

using namespace stemweave;
using Clock = std::chrono::steady_clock;

namespace {

double milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c == '\n' ? '|' : c;
    }
    return out + "\"";
}

// Time in which the machine had nothing else to do: how often a thread woke that sleeps for 10 ms and gives way to all others. A wait
// is counted in full; a plug-in that wants to go but gets no processor is not.
class Turns {
  public:
    Turns() : thread_([this] {
#if defined(SCHED_IDLE)
        const sched_param none{};
        pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
#endif
        for (; !stop_; ++count_) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }) {}
    int end() {
        const int count = count_;
        stop_ = true;
        thread_.join();
        return count;
    }

  private:
    std::atomic<bool> stop_{false};
    std::atomic<int> count_{0};
    std::thread thread_;
};

struct Host {
    std::shared_ptr<Core> core;
    std::unique_ptr<Talker> talker;
    std::vector<std::vector<float>> in = std::vector<std::vector<float>>(2, std::vector<float>(8192));
    std::vector<std::vector<float>> out = std::vector<std::vector<float>>(kOutputs, std::vector<float>(8192));

    void load() {
        core = std::make_shared<Core>();
        core->prepare(48000.0);
        talker = std::make_unique<Talker>(core);
    }

    void block(int64_t position, uint32_t frames) {
        for (int c = 0; c < 2; ++c) {
            for (uint32_t i = 0; i < frames; ++i) in[c][i] = song(c, position + i);
        }
        const float* ins[2] = {in[0].data(), in[1].data()};
        float* outs[kOutputs];
        for (int c = 0; c < kOutputs; ++c) outs[c] = out[c].data();
        core->process(ins, outs, frames, {true, position, 0.0, {}});
    }

    void play(int64_t position, int64_t frames, uint32_t size) {
        uint64_t track_wrong = 0, halves = 0, same = 0, other = 0;
        for (const int64_t end = position + frames; position < end; position += size) {
            const uint32_t count = static_cast<uint32_t>(std::min<int64_t>(size, end - position));
            block(position, count);
            for (uint32_t i = 0; i < count; ++i) {
                for (int c = 0; c < 2; ++c) track_wrong += out[c][i] != in[c][i];
                for (int c = 2; c < kOutputs; ++c) {
                    const float heard = out[c][i], track = in[c % 2][i];
                    if (heard == 0.0f) continue;
                    ++(heard == track / 2 ? halves : heard == track ? same : other);
                }
            }
        }
        std::printf("{\"track_wrong\": %llu, \"halves\": %llu, \"same\": %llu, \"other\": %llu}\n",
                    (unsigned long long)track_wrong, (unsigned long long)halves, (unsigned long long)same, (unsigned long long)other);
    }

    void status() {
        const Status now = talker->status();
        const char* connections[] = {"absent", "greeting", "connected", "refused"};
        const char* offers[] = {"none", "make_again", "play_first", "ask_again"};
        const char* jobs[] = {"none", "waiting", "uploading", "running", "done", "cancelled", "failed"};
        std::printf("{\"connection\": \"%s\", \"job\": \"%s\", \"progress\": %g, \"recorded\": [%lld, %lld], \"lost\": %llu, "
                    "\"tracks\": %d, \"context\": [%lld, %lld], \"stretch\": [%lld, %lld], \"message\": %s, "
                    "\"offer\": \"%s\", \"folder\": %s}\n",
                    connections[static_cast<int>(now.connection)], jobs[static_cast<int>(now.job)], now.progress,
                    (long long)now.recorded.start, (long long)now.recorded.end, (unsigned long long)now.lost,
                    now.tracks, (long long)now.context.start,
                    (long long)now.context.end, (long long)now.stretch.start, (long long)now.stretch.end, quoted(now.message).c_str(),
                    offers[static_cast<int>(now.offer)], quoted(now.folder).c_str());
    }

    void many(int count, rlim_t descriptors) {
        rlimit before{};
        getrlimit(RLIMIT_NOFILE, &before);
        const rlimit few{descriptors, before.rlim_max};
        setrlimit(RLIMIT_NOFILE, &few);
        std::vector<std::unique_ptr<Talker>> talkers;
        for (int i = 0; i < count; ++i) talkers.push_back(std::make_unique<Talker>(std::make_shared<Core>()));
        std::string message;
        for (size_t turn = 0; message.find("more files") == std::string::npos && turn < 300'000; ++turn) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            message = talkers[turn % talkers.size()]->status().message;
        }
        talkers.clear();
        setrlimit(RLIMIT_NOFILE, &before);
        std::printf("{\"message\": %s}\n", ::quoted(message).c_str());
    }

    void random(double seconds) {
        std::atomic<bool> stop{false};
        Result result;
        std::thread audio([&] {
            result = play_at_random(*core, 1, stop, [](int c, int64_t position) { return song(c % 2, position) / 2; });
        });
        const auto start = Clock::now();
        uint64_t done = 0;
        int since = 0;  // turns since the first stems were all there, some of which are to be heard
        JobState last = JobState::none;
        const auto goes_on = [&](double passed) { return passed < 1000 * seconds || (since < 50 && passed < 1e6); };
        for (int turn = 0; goes_on(milliseconds_since(start)); ++turn) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            if (turn % 25 == 0) talker->separate();
            const JobState now = talker->job();
            done += now == JobState::done && last != JobState::done;
            last = now;
            since += done > 0;
        }
        stop = true;
        audio.join();
        std::printf("{\"blocks\": %llu, \"wrong\": %llu, \"sounded\": %llu, \"done\": %llu, \"violations\": %lu, \"guard\": %s, "
                    "\"filter\": %s}\n",
                    (unsigned long long)result.blocks, (unsigned long long)result.wrong, (unsigned long long)result.sounded,
                    (unsigned long long)done, rtguard_violations ? rtguard_violations() : 0,
                    rtguard_violations ? "true" : "false", result.filtered ? "true" : "false");
    }
};

}  // namespace

int main() {
    Host host;
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string command;
        words >> command;
        int64_t position = 0, frames = 0;
        uint32_t size = 512;
        if (command == "load") {
            host.load();
            std::puts("{}");
        } else if (command == "unload") {
            Turns turns;
            host.talker.reset();
            std::printf("{\"turns\": %d}\n", turns.end());
            host.core.reset();
        } else if (command == "play") {
            words >> position >> frames >> size;
            host.play(position, frames, size);
        } else if (command == "many") {
            words >> position >> size;
            host.many(static_cast<int>(position), size);
        } else if (command == "no_threads") {
#if defined(__GLIBC__)
            pthread_attr_t endless;  // a stack for which there are no addresses
            pthread_attr_init(&endless);
            pthread_attr_setstacksize(&endless, size_t{1} << 47);
            pthread_setattr_default_np(&endless);
#endif
            std::puts("{}");
        } else if (command == "rate") {
            double rate = 48000.0;
            words >> rate;
            host.core->prepare(rate);
            std::puts("{}");
        } else if (command == "separate") {
            host.talker->separate();
            std::puts("{}");
        } else if (command == "redo") {
            host.talker->redo();
            std::puts("{}");
        } else if (command == "preset") {
            std::string name;
            words >> name;
            host.talker->set_preset(name);
            std::puts("{}");
        } else if (command == "accompany") {
            host.talker->accompany();
            std::puts("{}");
        } else if (command == "infill") {
            host.talker->infill();
            std::puts("{}");
        } else if (command == "regenerate") {
            host.talker->regenerate();
            std::puts("{}");
        } else if (command == "fill") {
            double from = 0.0, to = 0.0;
            words >> from >> to;
            host.talker->set_fill_from(from);
            host.talker->set_fill_to(to);
            std::puts("{}");
        } else if (command == "lock") {
            int stem = 0;
            Range range;
            words >> stem >> range.start >> range.end;
            Locks locks = host.talker->locks();
            locks.set(stem, range, true);
            host.talker->set_locks(locks);
            std::puts("{}");
        } else if (command == "session") {
            std::string key;
            words >> key;
            host.talker->set_session(key);
            std::puts("{}");
        } else if (command == "name" || command == "hosts_name") {
            std::string name;
            std::getline(words >> std::ws, name);
            if (command == "name") host.talker->set_name(name);
            else host.talker->set_hosts_name(name);
            std::puts("{}");
        } else if (command == "role") {
            words >> position;
            host.talker->set_role(static_cast<int>(position));
            std::puts("{}");
        } else if (command == "want") {
            words >> position >> size;
            host.talker->want(static_cast<int>(position), size != 0);
            std::puts("{}");
        } else if (command == "cancel") {
            host.talker->cancel();
            std::puts("{}");
        } else if (command == "lose") {
            uint32_t count = 0;
            words >> count;
            host.core->capture.write(nullptr, nullptr, count, {true, 0, 0.0, {}}, 48000.0);
            std::puts("{}");
        } else if (command == "status") {
            host.status();
        } else if (command == "recipe") {
            std::printf("{\"recipe\": %s}\n", quoted(host.talker->recipe()).c_str());
        } else if (command == "restore") {
            std::string text;
            std::getline(words, text);
            text.erase(0, 1);
            std::replace(text.begin(), text.end(), '|', '\n');
            host.talker->restore(text);
            std::puts("{}");
        } else if (command == "random") {
            double seconds = 1.0;
            words >> seconds;
            host.random(seconds);
        }
        std::fflush(stdout);
    }
    return 0;
}
