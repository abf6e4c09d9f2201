// A host that does everything at random, on a thread that may neither allocate nor lock nor call the system.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "core/core.hpp"
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

namespace stemweave {

// From here on this thread may leave, and give its stack back, but ask nothing else of the system.
inline bool forbid_system_calls() {
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
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
#else
    return false;
#endif
}

struct Result {
    uint64_t blocks = 0;
    uint64_t frames = 0;
    uint64_t sounded = 0;  // stem samples that were heard
    uint64_t wrong = 0;
    bool filtered = false;  // the thread was kept from calling the system
};

// Until `stop`: plays the song, seeks, loops, stops, changes tempo, block size and switches, and checks what comes out. What a stem
// may sound at all is expected(channel, position); silence is always allowed. The thread may not call the system from here on.
template <typename Expected>
Result play_at_random(Core& core, unsigned seed, const std::atomic<bool>& stop, Expected&& expected, const std::string& plant = "") {
    constexpr uint32_t kMax = 8192;
    constexpr uint64_t kSettled = 4096;  // frames after which a switch has had its effect, though stems begin and end in between
    std::mt19937 random(seed);
    std::vector<std::vector<float>> in(2, std::vector<float>(kMax));
    std::vector<std::vector<float>> out(kOutputs, std::vector<float>(kMax));
    const float* ins[2] = {in[0].data(), in[1].data()};
    float* outs[kOutputs];
    for (int c = 0; c < kOutputs; ++c) outs[c] = out[c].data();
    Transport at;
    at.rolling = true;
    Result result;
    uint64_t settled = 0;  // frames played since mute and solo were changed
    std::mutex mutex;
    const int planted = plant == "malloc" ? 1 : plant == "lock" ? 2 : plant == "syscall" ? 3 : plant == "shift" ? 4 : 0;
    result.filtered = forbid_system_calls();
    while (!stop.load()) {
        const unsigned dice = random() % 1000;
        if (dice < 20) at.position = static_cast<int64_t>(random() % 400000) - 20000;
        if (dice >= 20 && dice < 30) at.rolling = !at.rolling;
        if (dice >= 30 && dice < 40) at.musical.bpm = 60.0 + random() % 120;
        if (dice >= 40 && dice < 45) core.takes_part = !core.takes_part;
        if (dice >= 45 && dice < 50) core.plays = !core.plays;
        if (dice >= 50 && dice < 60) core.muted = random() % 32;
        if (dice >= 60 && dice < 70) core.soloed = random() % 2 ? random() % 32 : 0;
        if (dice >= 50 && dice < 70) settled = 0;
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
                const float whole = expected(c, at.position + i), heard = out[c][i];
                const bool comes_or_goes = settled + i < kSettled && heard * whole > 0.0f && std::abs(heard) < std::abs(whole);
                const bool audible = core.heard() >> (c / 2 - 1) & 1;
                const bool right = heard == 0.0f || (sounds && (comes_or_goes || (audible && heard == whole)));
                result.wrong += !right;
                result.sounded += out[c][i] != 0.0f;
            }
        }
        settled += frames;
        if (at.rolling) at.position += frames;
        result.frames += frames;
        ++result.blocks;
    }
    return result;
}

}  // namespace stemweave
