#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <random>
#include <set>

#include "signal.hpp"
#include "wire/job.hpp"
#include "wire/locks.hpp"

using namespace stemweave;

namespace {

std::shared_ptr<StemSet> stems_at(int64_t start, int64_t frames, int channel) {
    auto set = std::make_shared<StemSet>(48000.0, start, frames);
    for (int64_t i = 0; i < 2 * frames; ++i) set->audio[1][static_cast<size_t>(i)] = song(channel, start + i / 2);
    set->ready = frames;
    return set;
}

}  // namespace

TEST_CASE("after any locking and unlocking exactly what was locked last is locked, also when it was written and read") {
    std::mt19937 random(1);
    Locks locks;
    std::set<int64_t> cells;
    for (int turn = 0; turn < 2000; ++turn) {
        const int64_t start = static_cast<int64_t>(random() % 60) - 20, end = start + static_cast<int64_t>(random() % 12);
        const bool on = random() % 2;
        locks.set(1, {start, end}, on);
        for (int64_t at = start; at < end; ++at) on ? (void)cells.insert(at) : (void)cells.erase(at);
        std::set<int64_t> found;
        int64_t last = INT64_MIN;
        for (const Range& range : locks.of(1)) {
            REQUIRE(range.start > last);
            REQUIRE(range.frames() > 0);
            for (int64_t at = range.start; at < range.end; ++at) found.insert(at);
            last = range.end;
        }
        REQUIRE(found == cells);
        REQUIRE(Locks::read(locks.text()) == locks);
        Range open{INT64_MAX, INT64_MIN};
        for (int64_t at = start; at < end; ++at) {
            if (!cells.count(at)) open = {std::min(open.start, at), at + 1};
        }
        if (open.start > open.end) REQUIRE(locks.open(1, {start, end}).frames() <= 0);
        else REQUIRE(locks.open(1, {start, end}) == open);
    }
    CHECK(locks.of(0).empty());
}

TEST_CASE("what is no lock is left out") {
    const Locks locks = Locks::read("bass 5 9\nflute 1 2\ndrums 9 5\npiano x 3\n\nguitar 1 99999999999999999999\nbass 9 12 and more\n");
    CHECK(locks.text() == "bass 5 12\n");
    CHECK(Locks::read("").text().empty());
}

TEST_CASE("a locked cell is kept bit for bit, whatever the pieces, with a fade outside of it and no change farther away") {
    const auto before = stems_at(-1000, 20000, 0);
    Locks locks;
    locks.set(1, {5000, 9000}, true);
    locks.set(1, {15000, 40000}, true);  // beyond what there is to keep
    locks.set(2, {0, 100}, true);        // of a stem that was not made
    const Kept kept = Kept::of(before, locks, 48000.0);
    CHECK(kept.any(1));
    CHECK_FALSE(kept.any(2));
    CHECK_FALSE(Kept::of(before, locks, 44100.0).any(1));
    CHECK_FALSE(Kept::of(nullptr, locks, 48000.0).any(1));
    for (const int64_t piece : {30000, 777, 1}) {
        auto made = stems_at(2000, 28000, 7);
        for (int64_t from = 0; from < made->frames; from += piece) kept.lay_over(*made, 1, from, std::min(from + piece, made->frames));
        for (int64_t at = 2000; at < 30000; ++at) {
            const float now = made->audio[1][static_cast<size_t>(2 * (at - 2000))], fresh = song(7, at), old = at < 19000 ? song(0, at) : fresh;
            const bool locked = (at >= 5000 && at < 9000) || (at >= 15000 && at < 19000);
            const bool far = at < 4760 || (at >= 9240 && at < 14760) || at >= 19000;
            if (locked) REQUIRE(now == old);
            else if (far) REQUIRE(now == fresh);
            else REQUIRE(std::abs(now - fresh) <= std::abs(old - fresh));
        }
    }
}

TEST_CASE("stems are held only while a job needs what is locked of them") {
    Locks locks;
    locks.set(2, {0, 100}, true);  // of a stem that was not made
    CHECK(Kept::of(stems_at(0, 1000, 0), locks, 48000.0).stems == nullptr);
    locks.set(1, {0, 100}, true);
    const std::string ends[] = {"\x82\xa4type\xa4" "done\xa5stems\x80", "\x81\xa4type\xa5" "error", "\x81\xa4type\xa9" "cancelled", ""};
    for (const std::string& end : ends) {
        auto before = stems_at(0, 1000, 0);
        const std::weak_ptr<StemSet> held = before;
        Order order;
        order.audio = {48000, 2, 1000, ""};
        Job job(order, 1, Kept::of(before, locks, 48000.0));
        before.reset();
        CHECK_FALSE(held.expired());
        Link link;  // to nobody
        const std::string accepted = "\x81\xa4type\xa8" "accepted";
        job.handle(link, *Message::read(accepted.data(), accepted.size()), "");
        if (end.empty()) job.cancel();
        else job.handle(link, *Message::read(end.data(), end.size()), "");
        CHECK_FALSE(job.is_open());
        CHECK(held.expired());
    }
}
