// Random transport, block sizes and switches on one thread, a reader that drains and swaps stems on another, for `seconds`; every
// sample recorded and played is compared with what belongs at its position. Exit status 0 when all were right. The seconds are those
// that the processor worked for it: a busy machine does not make the trial smaller.
//
//   fuzz_core SECONDS [SEED] [--plant malloc|lock|syscall|shift]   (a planted fault must be found: the test of this test)
//
// Under rtguard (LD_PRELOAD) the callback must not allocate or lock; on Linux the callback's thread may besides call the system for
// nothing but its own end (seccomp), else the process is killed by SIGSYS.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/core.hpp"
#include "core/take.hpp"
#include "random_host.hpp"

using namespace stemweave;

namespace {

std::atomic<bool> stop{false};
std::string plant;

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
    std::thread host([&] { result = play_at_random(*core, seed, stop, song, plant); });
    std::mt19937 random(seed + 1);
    Take take;
    uint64_t wrong = 0;
    uint64_t recorded = 0;
    uint64_t swaps = 0;
    while (std::clock() < seconds * CLOCKS_PER_SEC) {
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
                rtguard_violations ? "true" : "false", result.filtered ? "true" : "false");
    return result.wrong + wrong + violations == 0 ? 0 : 1;
}
