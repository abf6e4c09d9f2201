#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/core.hpp"
#include "core/take.hpp"
#include "signal.hpp"

using namespace stemweave;

namespace {

// A host that plays `song` through a core, and the thread that drains it, in one.
struct Host {
    Core core;
    Take take;
    std::vector<std::vector<float>> in = std::vector<std::vector<float>>(2);
    std::vector<std::vector<float>> out = std::vector<std::vector<float>>(kOutputs);

    explicit Host(double rate = 48000.0) { core.prepare(rate); }

    void block(int64_t position, uint32_t frames, bool rolling = true, Musical musical = {}) {
        for (int c = 0; c < 2; ++c) {
            in[c].resize(frames);
            for (uint32_t i = 0; i < frames; ++i) in[c][i] = song(c, position + i);
        }
        for (auto& o : out) o.assign(frames, 99.0f);
        const float* ins[2] = {in[0].data(), in[1].data()};
        float* outs[kOutputs];
        for (int c = 0; c < kOutputs; ++c) outs[c] = out[c].data();
        core.process(ins, outs, frames, {rolling, position, 0.0, musical});
    }

    void drain() {
        core.capture.drain([&](const Mark& at, const float* stereo, size_t frames) { take.write(at, stereo, frames); });
    }

    // Samples of the take that are not the song's at their position.
    int64_t wrong() const {
        int64_t count = 0;
        for (const Range& range : take.ranges()) {
            std::vector<float> audio(2 * range.frames());
            take.read(range.start, audio.data(), range.frames());
            for (int64_t i = 0; i < range.frames(); ++i) {
                for (int c = 0; c < 2; ++c) count += audio[2 * i + c] != song(c, range.start + i);
            }
        }
        return count;
    }
};

std::shared_ptr<StemSet> stems_at(int64_t start, int64_t frames, double rate = 48000.0) {
    auto set = std::make_shared<StemSet>(rate, start, frames);
    for (int stem = 0; stem < kStems; ++stem) {
        for (int64_t i = 0; i < 2 * frames; ++i) set->audio[stem][i] = song(2 + 2 * stem + i % 2, start + i / 2);
    }
    set->ready = frames;
    return set;
}

// Frames of the host's last block where a stem bus is not what lies between start and end (silence elsewhere).
int64_t wrong_on_buses(const Host& host, int64_t position, int64_t start, int64_t end) {
    int64_t count = 0;
    for (int c = 0; c < 2 * kStems; ++c) {
        for (size_t i = 0; i < host.out[2 + c].size(); ++i) {
            const int64_t at = position + static_cast<int64_t>(i);
            const float expected = at >= start && at < end ? song(2 + c, at) : 0.0f;
            count += host.out[2 + c][i] != expected;
        }
    }
    return count;
}

}  // namespace

TEST_CASE("the track passes through untouched and is recorded where it was, whatever the block size") {
    for (uint32_t size : {1u, 64u, 65u, 255u, 256u, 257u, 1024u, 8192u}) {
        Host host;
        int64_t position = -100;
        while (position < 20000) {
            host.block(position, size);
            CHECK(host.out[0] == host.in[0]);
            CHECK(host.out[1] == host.in[1]);
            position += size;
            host.drain();
        }
        CHECK(host.take.ranges() == std::vector<Range>{{-100, position}});
        CHECK(host.wrong() == 0);
    }
}

TEST_CASE("start, stop, seek and loop leave every sample at its position") {
    Host host;
    host.block(0, 512, false);  // stopped: nothing
    host.block(1000, 512);
    host.block(1512, 512);
    host.block(1512, 512, false);
    host.block(5000, 512);       // seek
    host.block(1100, 300);       // loop back, over what is there
    host.block(1400, 4000);      // and through the gap
    host.drain();
    CHECK(host.take.ranges() == std::vector<Range>{{1000, 5512}});
    CHECK(host.wrong() == 0);
}

TEST_CASE("a stop and start at the same place does not shift what follows") {
    Host host;
    host.block(0, 100);
    host.block(100, 100, false);
    host.block(700, 100);
    host.drain();
    CHECK(host.take.ranges() == std::vector<Range>{{0, 100}, {700, 800}});
    CHECK(host.wrong() == 0);
}

TEST_CASE("a reader that falls behind costs a hole, never a shift") {
    Host host;
    const int64_t ring = 1 << 20;
    int64_t position = 0;
    for (; position < ring + 5000; position += 1000) host.block(position, 1000);
    CHECK(host.core.capture.lost() > 0);
    host.drain();
    host.block(position, 1000);
    host.drain();
    CHECK(host.take.ranges().size() == 2);
    CHECK(host.take.hull() == Range{0, position + 1000});
    CHECK(host.wrong() == 0);
}

TEST_CASE("tempo and signature are kept where they change") {
    Host host;
    host.block(0, 500, true, {120.0, 4, 4});
    host.block(500, 500, true, {120.0, 4, 4});
    host.block(1000, 500, true, {90.0, 3, 4});
    host.drain();
    REQUIRE(host.take.tempo_map().size() == 2);
    CHECK(host.take.tempo_map().at(1000).musical == Musical{90.0, 3, 4});
    CHECK(host.wrong() == 0);
}

TEST_CASE("a pass in which nothing sounds takes nothing away, silence in one that sounds does") {
    Take take;
    const auto at = [](int64_t position, uint64_t pass) { return Mark{0, position, 0.0, 48000.0, {}, pass}; };
    const std::vector<float> loud(2 * 100000, 0.5f), silent(2 * 100000, 0.0f);
    const auto all = [&](int64_t start, int64_t frames, float value) {
        std::vector<float> audio(2 * frames);
        take.read(start, audio.data(), frames);
        return std::all_of(audio.begin(), audio.end(), [value](float sample) { return sample == value; });
    };
    take.write(at(-40000, 1), loud.data(), 60000);
    take.write(at(-40000, 2), silent.data(), 100000);  // a muted track: recorded only where nothing was
    CHECK(all(-40000, 60000, 0.5f));
    CHECK(all(20000, 40000, 0.0f));
    CHECK(take.hull() == Range{-40000, 60000});

    take.write(at(-30000, 3), silent.data(), 20000);  // an edited track: what it says from here on counts, from the pass's beginning
    take.write(at(-10000, 3), loud.data(), 100);
    take.write(at(-9900, 3), silent.data(), 10000);
    CHECK(all(-40000, 10000, 0.5f));
    CHECK(all(-30000, 20000, 0.0f));
    CHECK(all(-10000, 100, 0.5f));
    CHECK(all(-9900, 10000, 0.0f));
    CHECK(all(100, 19900, 0.5f));

    take.write(at(-10000, 4), silent.data(), 100);  // another pass
    CHECK(all(-10000, 100, 0.5f));
    take.write(at(100, 5), loud.data(), 100);
    take.write(at(200, 6), silent.data(), 100);  // stopped and started at the same place, and muted between
    CHECK(all(200, 100, 0.5f));
}

TEST_CASE("silence before and after what sounds does not count, in whatever pieces it came, but for what is close by") {
    const int64_t around = Take::kAround;
    const std::vector<float> loud(2 * 48000, 0.5f), silent(2 * 4 * around, 0.0f);
    for (const int64_t piece : {int64_t{100}, int64_t{4096}, around}) {
        Take take;
        int64_t position = -2 * around - 7;
        const auto play = [&](const std::vector<float>& audio, int64_t frames, uint64_t pass) {
            for (int64_t done = 0; done < frames; done += piece) {
                const int64_t count = std::min(piece, frames - done);
                take.write({0, position, 0.0, 48000.0, {}, pass}, audio.data(), count);
                position += count;
            }
        };
        play(silent, 100, 1);
        CHECK(take.sounding().frames() == 0);
        play(silent, 2 * around, 2);
        const int64_t first = position;
        play(loud, 4800, 2);
        play(silent, 3 * around, 2);  // a rest
        play(loud, 4800, 2);
        const int64_t last = position;
        play(silent, 4 * around, 2);
        CHECK(take.sounding() == Range{first - around, last + around});
        position = 7300 * 48000;
        play(silent, 512, 3);
        CHECK(take.sounding() == Range{first - around, last + around});
    }
}

TEST_CASE("a track that does not take part is not recorded but still passes") {
    Host host;
    host.core.takes_part = false;
    host.block(0, 1000);
    host.drain();
    CHECK(host.take.empty());
    CHECK(host.out[0] == host.in[0]);
}

TEST_CASE("a loop is one that the transport went round twice, and no seek") {
    Host host;
    const auto loop_once = [&host](int64_t start, int64_t end) {
        for (int64_t at = start; at < end; at += 100) host.block(at, static_cast<uint32_t>(std::min<int64_t>(100, end - at)));
    };
    loop_once(0, 950);
    loop_once(300, 950);
    CHECK(host.core.loop.range().frames() == 0);  // it may have been a seek
    loop_once(300, 950);
    CHECK(host.core.loop.range() == Range{300, 950});
    loop_once(500, 700);  // out of it, by a seek; and on, by a stop
    host.block(700, 50, false);
    loop_once(100, 200);
    CHECK(host.core.loop.range() == Range{300, 950});
    for (int pass = 0; pass < 3; ++pass) loop_once(-200, 100);
    CHECK(host.core.loop.range() == Range{-200, 100});
    host.core.prepare(48000.0);
    CHECK(host.core.loop.range() == Range{-200, 100});
    host.core.prepare(44100.0);  // another place on the timeline, or none
    CHECK(host.core.loop.range().frames() == 0);
}

TEST_CASE("with its own clock time runs whatever the host says") {
    Host host;
    host.core.own_clock = true;
    host.block(0, 700, false);
    host.block(700, 50, false);
    host.drain();
    CHECK(host.take.ranges() == std::vector<Range>{{0, 750}});
    CHECK(host.wrong() == 0);
}

TEST_CASE("its own clock begins anew when it was off, so that stems can be heard from their beginning where a host never deactivates") {
    Host host;
    host.core.own_clock = true;
    host.block(0, 700);
    host.core.own_clock = false;
    host.block(0, 50);
    host.core.own_clock = true;
    host.block(0, 50);
    CHECK(host.core.position == 0);
}

TEST_CASE("stems play at their position after seeks and loops, and elsewhere there is silence") {
    Host host;
    host.core.player.play(stems_at(1000, 3000));
    std::mt19937 random(1);
    for (int trial = 0; trial < 500; ++trial) {
        const int64_t position = static_cast<int64_t>(random() % 6000) - 1000;
        const uint32_t frames = 1 + random() % 1500;
        host.block(position, frames);
        REQUIRE(wrong_on_buses(host, position, 1000, 4000) == 0);
    }
}

TEST_CASE("a growing stem plays as far as it is there") {
    Host host;
    auto set = stems_at(0, 3000);
    set->ready = 1200;
    host.core.player.play(set);
    host.block(1000, 500);
    CHECK(wrong_on_buses(host, 1000, 0, 1200) == 0);
    set->ready = 3000;
    host.block(1000, 500);
    CHECK(wrong_on_buses(host, 1000, 0, 3000) == 0);
}

TEST_CASE("stems are silent when stopped, switched off, taken away or of another rate") {
    Host host;
    host.core.player.play(stems_at(0, 3000));
    host.block(0, 100, false);
    CHECK(wrong_on_buses(host, 0, 0, 0) == 0);
    host.core.plays = false;
    host.block(0, 100);
    CHECK(wrong_on_buses(host, 0, 0, 0) == 0);
    host.core.plays = true;
    host.core.player.play(stems_at(0, 3000, 44100.0));
    host.block(0, 100);
    CHECK(wrong_on_buses(host, 0, 0, 0) == 0);
    host.core.player.play(nullptr);
    host.block(0, 100);
    CHECK(wrong_on_buses(host, 0, 0, 0) == 0);
}

TEST_CASE("a stem that is muted is silent, the others are what they were, and where any is soloed those alone are heard") {
    Host host;
    host.core.player.play(stems_at(0, 30000));
    const auto heard = [&host] {  // a bit for each stem that is exactly what it should be; the others must be silent
        host.block(0, 3000);      // the ramp has ended
        host.block(3000, 1500);
        unsigned bits = 0;
        for (int c = 0; c < 2 * kStems; ++c) {
            int64_t right = 0, silent = 0;
            for (int64_t i = 0; i < 1500; ++i) {
                right += host.out[2 + c][i] == song(2 + c, 3000 + i);
                silent += host.out[2 + c][i] == 0.0f;
            }
            REQUIRE((right == 1500) != (silent == 1500));
            if (right == 1500) bits |= 1u << c;
        }
        CHECK(host.out[0] == host.in[0]);
        return bits;
    };
    CHECK(heard() == 0b1111111111);
    host.core.muted = 0b00010;
    CHECK(heard() == 0b1111110011);
    host.core.soloed = 0b00110;
    CHECK(heard() == 0b0000110000);
    host.core.soloed = 0b00010;  // the muted one alone
    CHECK(heard() == 0);
    host.core.muted = 0;
    CHECK(heard() == 0b0000001100);
    host.core.soloed = 0;
    CHECK(heard() == 0b1111111111);

    host.block(0, 100, false);
    host.core.muted = 0b00001;  // while all is silent: from the first sample on
    host.block(0, 100);
    CHECK(std::all_of(host.out[2].begin(), host.out[2].end(), [](float sample) { return sample == 0.0f; }));
    CHECK(host.out[4][0] == song(4, 0));
}

TEST_CASE("mute and solo come and go without a click, in five milliseconds, whatever the block size") {
    auto steady = std::make_shared<StemSet>(48000.0, 0, 200000);
    for (auto& stem : steady->audio) std::fill(stem.begin(), stem.end(), 1.0f);
    steady->ready = steady->frames;
    for (const uint32_t size : {1u, 7u, 64u, 256u, 1000u}) {
        Host host;
        host.core.player.play(steady);
        int64_t position = 0;
        float last = 1.0f;
        for (const unsigned muted : {0u, 1u, 0u, 1u, 0u}) {
            host.core.muted = muted;
            const float goal = muted ? 0.0f : 1.0f;
            int64_t on_the_way = 0;
            for (int64_t end = position + 3000; position < end; position += size) {
                host.block(position, size);
                for (uint32_t i = 0; i < size; ++i) {
                    const float now = host.out[2][i];
                    REQUIRE(std::abs(now - last) <= 1.0f / 239.0f);
                    REQUIRE(host.out[3][i] == now);
                    REQUIRE(host.out[4][i] == 1.0f);
                    on_the_way += now != goal;
                    last = now;
                }
            }
            CHECK(last == goal);
            CHECK(on_the_way <= 240);
        }
    }
}

TEST_CASE("a host may use one buffer for an input and any output") {
    Host host;
    host.core.player.play(stems_at(0, 3000));
    std::vector<std::vector<float>> buffers(kOutputs, std::vector<float>(1000));
    for (int i = 0; i < 1000; ++i) {
        buffers[5][i] = song(0, i);
        buffers[0][i] = song(1, i);
    }
    const float* ins[2] = {buffers[5].data(), buffers[0].data()};
    float* outs[kOutputs];
    for (int c = 0; c < kOutputs; ++c) outs[c] = buffers[c].data();
    host.core.process(ins, outs, 1000, {true, 0, 0.0, {}});
    int wrong = 0;
    for (int i = 0; i < 1000; ++i) {
        for (int c = 0; c < kOutputs; ++c) wrong += buffers[c][i] != song(c, i);
    }
    CHECK(wrong == 0);
}
