// What the callback costs: median and worst as a share of a block's time, at 64 samples and 48 kHz. Blocks come when their time
// comes, as in a host, so that caches have grown cold; beside it a thread takes the recording, as the plug-in's does.
//
//   callback_cost [SECONDS]      of each case; 10 by default
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include <pthread.h>

#include "core/core.hpp"
#include "core/take.hpp"

using namespace stemweave;
using Clock = std::chrono::steady_clock;

namespace {

constexpr uint32_t kBlock = 64;
constexpr double kRate = 48000.0;

std::string processor() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("model name", 0) == 0) return line.substr(line.find(": ") + 2);
    }
    return "unknown processor";
}

std::vector<double> costs_of(Core& core, int blocks) {
    std::vector<std::vector<float>> in(kInputs, std::vector<float>(kBlock, 0.25f)), out(kOutputs, std::vector<float>(kBlock));
    const float* ins[kInputs] = {in[0].data(), in[1].data()};
    float* outs[kOutputs];
    for (int i = 0; i < kOutputs; ++i) outs[i] = out[i].data();
    std::vector<double> costs(blocks);
    auto next = Clock::now();
    for (int i = 0; i < blocks; ++i) {
        next += std::chrono::nanoseconds(static_cast<int64_t>(1e9 * kBlock / kRate));
        std::this_thread::sleep_until(next);
        const auto start = Clock::now();
        core.process(ins, outs, kBlock, {true, int64_t{i} * kBlock, 0.0, {}});
        costs[i] = std::chrono::duration<double>(Clock::now() - start).count() * kRate / kBlock;
    }
    std::sort(costs.begin(), costs.end());
    return costs;
}

void measure(const char* what, bool records, bool plays, int blocks) {
    Core core;
    core.prepare(kRate);
    core.takes_part = records;
    if (plays) {
        auto stems = std::make_shared<StemSet>(kRate, 0, int64_t{blocks} * kBlock);
        for (auto& stem : stems->audio) std::fill(stem.begin(), stem.end(), 0.125f);
        stems->ready = stems->frames;
        core.player.play(stems);
    }
    std::atomic<bool> stop{false};
    std::thread reader([&] {
        Take take;
        while (!stop) {
            core.capture.drain([&](const Mark& at, const float* stereo, size_t frames) { take.write(at, stereo, frames); });
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    });
    std::vector<double> costs;
    std::thread audio([&] {
        sched_param highest{};
        highest.sched_priority = 50;
        pthread_setschedparam(pthread_self(), SCHED_FIFO, &highest);  // as hosts do; where it is refused the worst says so
        costs = costs_of(core, blocks);
    });
    audio.join();
    stop = true;
    reader.join();
    std::printf("%-24s median %.3f %%   999 of 1000 below %.3f %%   worst %.3f %%\n", what, 100 * costs[costs.size() / 2],
                100 * costs[static_cast<size_t>(0.999 * static_cast<double>(costs.size()))], 100 * costs.back());
}

}  // namespace

int main(int count, char** words) {
    const double seconds = count > 1 ? std::atof(words[1]) : 10.0;
    const int blocks = std::max(1, static_cast<int>(seconds * kRate / kBlock));
    std::printf("%s, %u threads; %d blocks of %u samples at %.0f Hz each; shares of a block's time (%.0f microseconds)\n",
                processor().c_str(), std::thread::hardware_concurrency(), blocks, kBlock, kRate, 1e6 * kBlock / kRate);
    measure("passing through", false, false, blocks);
    measure("and recording", true, false, blocks);
    measure("and playing five stems", true, true, blocks);
    return 0;
}
