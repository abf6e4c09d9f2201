// Random transport, block sizes and switches on one thread, a reader that drains and swaps stems on another, for `seconds`; every
// sample recorded and played is compared with what belongs at its position. Exit status 0 when all were right.
//
//   fuzz_core SECONDS [SEED] [--plant malloc|lock|syscall|shift]   (a planted fault must be found: the test of this test)
//
// Under rtguard (LD_PRELOAD) the callback must not allocate or lock; on Linux the callback's thread may besides call the system for
// nothing but its own end (seccomp), else the process is killed by SIGSYS.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/core.hpp"
#include "core/take.hpp"
#include "realtime.hpp"
#include "signal.hpp"

#if defined(__linux__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#define HAVE_FILTER 1
#endif

using namespace stemweave;

namespace {

std::atomic<bool> stop{false};
std::atomic<bool> filtered{false};
std::string plant;

// From here on this thread may leave, and give its stack back, but ask nothing else of the system.
void forbid_system_calls() {
#ifdef HAVE_FILTER
    auto allow = [](unsigned number, unsigned char left) {
        return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, left, 0, number};
    };
    sock_filter program[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},  // offset of seccomp_data.nr
        allow(SYS_exit, 5),   allow(SYS_exit_group, 4), allow(SYS_madvise, 3), allow(SYS_rt_sigprocmask, 2),
        allow(SYS_rseq, 1),   {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    sock_fprog filter{static_cast<unsigned short>(sizeof program / sizeof *program), program};
    filtered = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
#endif
}

struct Result {
    uint64_t blocks = 0;
    uint64_t frames = 0;
    uint64_t sounded = 0;  // stem samples that were heard
    uint64_t wrong = 0;
};

// The host: plays the song, seeks, loops, stops, changes tempo, block size and switches, checks what comes out.
Result play_at_random(Core& core, unsigned seed) {
    constexpr uint32_t kMax = 8192;
    std::mt19937 random(seed);
    std::vector<std::vector<float>> in(2, std::vector<float>(kMax));
    std::vector<std::vector<float>> out(kOutputs, std::vector<float>(kMax));
    const float* ins[2] = {in[0].data(), in[1].data()};
    float* outs[kOutputs];
    for (int c = 0; c < kOutputs; ++c) outs[c] = out[c].data();
    Transport at;
    at.rolling = true;
    Result result;
    std::mutex mutex;
    const int planted = plant == "malloc" ? 1 : plant == "lock" ? 2 : plant == "syscall" ? 3 : plant == "shift" ? 4 : 0;
    forbid_system_calls();
    while (!stop.load()) {
        const unsigned dice = random() % 1000;
        if (dice < 20) at.position = static_cast<int64_t>(random() % 400000) - 20000;
        if (dice >= 20 && dice < 30) at.rolling = !at.rolling;
        if (dice >= 30 && dice < 40) at.musical.bpm = 60.0 + random() % 120;
        if (dice >= 40 && dice < 45) core.takes_part = !core.takes_part;
        if (dice >= 45 && dice < 50) core.plays = !core.plays;
        const uint32_t sizes[] = {1, 16, 64, 64, 64, 128, 256, 441, 512, 1024, 8192, 1 + static_cast<uint32_t>(random() % kMax)};
        const uint32_t frames = sizes[random() % 12];
        for (int c = 0; c < 2; ++c) {
            for (uint32_t i = 0; i < frames; ++i) in[c][i] = song(c, at.position + i);
        }
        const bool sounds = at.rolling && core.plays;
        {
            InCallback guard;
            core.process(ins, outs, frames, at);
            if (planted == 1) {
                void* volatile memory = malloc(64);
                free(memory);
            }
            if (planted == 2) std::lock_guard<std::mutex> lock(mutex);
#ifdef HAVE_FILTER
            if (planted == 3) syscall(SYS_getppid);
#endif
        }
        if (planted == 4) std::memmove(outs[4], outs[4] + 1, (frames - 1) * sizeof(float));
        for (uint32_t i = 0; i < frames; ++i) {
            for (int c = 0; c < 2; ++c) result.wrong += out[c][i] != in[c][i];
            for (int c = 2; c < kOutputs; ++c) {
                const bool right = out[c][i] == 0.0f || (sounds && out[c][i] == song(c, at.position + i));
                result.wrong += !right;
                result.sounded += out[c][i] != 0.0f;
            }
        }
        if (at.rolling) at.position += frames;
        result.frames += frames;
        ++result.blocks;
    }
    return result;
}

std::shared_ptr<StemSet> stems_at(int64_t start, int64_t frames) {
    auto set = std::make_shared<StemSet>(48000.0, start, frames);
    for (int stem = 0; stem < kStems; ++stem) {
        for (int64_t i = 0; i < 2 * frames; ++i) set->audio[stem][i] = song(2 + 2 * stem + i % 2, start + i / 2);
    }
    return set;
}

uint64_t wrong_in(const Take& take, uint64_t& recorded) {
    uint64_t wrong = 0;
    for (const Range& range : take.ranges()) {
        recorded += range.frames();
        std::vector<float> audio(2 * range.frames());
        take.read(range.start, audio.data(), range.frames());
        for (int64_t i = 0; i < range.frames(); ++i) {
            for (int c = 0; c < 2; ++c) wrong += audio[2 * i + c] != song(c, range.start + i);
        }
    }
    return wrong;
}

}  // namespace

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 5.0;
    const unsigned seed = argc > 2 ? std::atoi(argv[2]) : 1;
    if (argc > 4 && std::string(argv[3]) == "--plant") plant = argv[4];
    auto core = std::make_unique<Core>();
    core->prepare(48000.0);
    Result result;
    std::thread host([&] { result = play_at_random(*core, seed); });
    std::mt19937 random(seed + 1);
    Take take;
    uint64_t wrong = 0;
    uint64_t recorded = 0;
    uint64_t swaps = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < end) {
        core->capture.drain([&](const Mark& at, const float* stereo, size_t frames) { take.write(at, stereo, frames); });
        if (random() % 8 == 0) {
            auto set = stems_at(static_cast<int64_t>(random() % 200000), 2000 + random() % 40000);
            core->player.play(set);
            for (int64_t ready = 0; ready < set->frames; ready += 1000) set->ready = ready;  // it grows while it plays
            set->ready = set->frames;
            ++swaps;
        }
        if (random() % 50 == 0) core->player.play(nullptr);
        core->player.collect();
        if (random() % 500 == 0) {
            wrong += wrong_in(take, recorded);
            take.clear();
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    stop = true;
    host.join();
    core->capture.drain([&](const Mark& at, const float* stereo, size_t frames) { take.write(at, stereo, frames); });
    wrong += wrong_in(take, recorded);
    const unsigned long violations = rtguard_violations ? rtguard_violations() : 0;
    std::printf("{\"blocks\": %llu, \"frames\": %llu, \"wrong\": %llu, \"sounded\": %llu, \"recorded\": %llu, \"lost\": %llu, \"swaps\": %llu, \"violations\": %lu, "
                "\"guard\": %s, \"filter\": %s}\n",
                (unsigned long long)result.blocks, (unsigned long long)result.frames, (unsigned long long)(result.wrong + wrong),
                (unsigned long long)result.sounded, (unsigned long long)recorded,
                (unsigned long long)core->capture.lost(), (unsigned long long)swaps, violations,
                rtguard_violations ? "true" : "false", filtered ? "true" : "false");
    return result.wrong + wrong + violations == 0 ? 0 : 1;
}
