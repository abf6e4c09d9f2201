#include "job.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "hash.hpp"

namespace stemweave {

Job::Job(const Take& take, const std::string& preset, const std::map<std::string, int64_t>& overrides)
    : id_(new_uuid()), preset_(preset), overrides_(overrides) {
    const Range hull = take.hull();
    audio_.resize(2 * static_cast<size_t>(hull.frames()));
    take.read(hull.start, audio_.data(), static_cast<size_t>(hull.frames()));
    shape_.sample_rate = static_cast<int>(std::lround(take.sample_rate()));
    shape_.frames = hull.frames();
    shape_.sha256 = sha256_of(audio_.data(), audio_.size() * sizeof(float));
    stems_ = std::make_shared<StemSet>(take.sample_rate(), hull.start, hull.frames());
}

void Job::submit(Link& link) { link.send(stemweave::submit(id_, shape_, preset_, overrides_)); }

void Job::cancel(Link& link) {
    link.send(stemweave::cancel(id_));
    if (is_open()) state_ = JobState::cancelled;
}

void Job::handle(Link& link, const Message& message, const std::string& payload) {
    if (!is_open()) return;
    const std::string& type = message.type();
    if (type == "accepted") {
        sent_ = std::clamp<int64_t>(message.integer("received"), 0, shape_.frames);
        state_ = sent_ < shape_.frames ? JobState::uploading : JobState::running;
        link.send(credit(id_, kCredit));
    } else if (type == "credit") {
        upload(link, message.integer("chunks"));
    } else if (type == "progress") {
        state_ = JobState::running;
        progress_ = std::clamp(message.real("fraction"), 0.0, 1.0);
    } else if (type == "chunk") {
        download(link, message, payload);
    } else if (type == "done") {
        finish(message);
    } else if (type == "cancelled") {
        state_ = JobState::cancelled;
    } else if (type == "error") {
        const std::string hint = message.text("hint");
        fail(message.text("message", "The server reports an error.") + (hint.empty() ? "" : " " + hint));
    }
}

void Job::upload(Link& link, int64_t chunks) {
    const int64_t size = kChunkBytes / (2 * sizeof(float));
    for (; chunks > 0 && sent_ < shape_.frames; --chunks) {
        const int64_t frames = std::min(size, shape_.frames - sent_);
        const float* piece = &audio_[2 * static_cast<size_t>(sent_)];
        const size_t bytes = static_cast<size_t>(frames) * 2 * sizeof(float);
        if (!link.send(chunk(id_, "", sent_, piece, bytes), piece, bytes)) return;
        sent_ += frames;
    }
    if (sent_ == shape_.frames) state_ = JobState::running;
}

void Job::download(Link& link, const Message& message, const std::string& payload) {
    const std::string stem = message.text("stem");
    const int64_t offset = message.integer("offset", -1);
    const int64_t frames = static_cast<int64_t>(payload.size() / (2 * sizeof(float)));
    const int bus = bus_of(stem);
    if (offset < 0 || offset > shape_.frames || frames > shape_.frames - offset || bus < 0 ||
        static_cast<uint32_t>(message.integer("crc32")) != crc32_of(payload.data(), payload.size())) {
        return fail("A piece of a stem was damaged on the way. Ask again.");
    }
    int64_t& filled = filled_[stem];
    // What is there already may be playing: it is the same audio again after a cut, and is not written twice.
    if (offset <= filled && offset + frames > filled) {
        const int64_t known = filled - offset;
        std::memcpy(&stems_->audio[bus][2 * static_cast<size_t>(filled)], payload.data() + known * 2 * sizeof(float),
                    static_cast<size_t>(frames - known) * 2 * sizeof(float));
        filled += frames - known;
    }
    link.send(credit(id_, 1));
    if (filled_.size() < static_cast<size_t>(kStems)) return;  // play only what is there on every bus
    int64_t ready = shape_.frames;
    for (const auto& [name, count] : filled_) ready = std::min(ready, count);
    stems_->ready.store(ready, std::memory_order_release);
}

void Job::finish(const Message& message) {
    hashes_ = message.texts("stems");
    for (const auto& [stem, hash] : hashes_) {
        const int bus = bus_of(stem);
        if (bus < 0 || filled_[stem] != shape_.frames ||
            sha256_of(stems_->audio[bus].data(), stems_->audio[bus].size() * sizeof(float)) != hash) {
            return fail("The stem " + stem + " was damaged on the way. Ask again.");
        }
    }
    stems_->ready.store(shape_.frames, std::memory_order_release);
    progress_ = 1.0;
    state_ = JobState::done;
}

void Job::fail(const std::string& message) {
    error_ = message;
    state_ = JobState::failed;
}

// The bus of that name, else the first that no stem has taken; -1 when there are more stems than buses.
int Job::bus_of(const std::string& stem) {
    const auto known = buses_.find(stem);
    if (known != buses_.end()) return known->second;
    const auto taken = [this](int bus) {
        return std::any_of(buses_.begin(), buses_.end(), [bus](const auto& entry) { return entry.second == bus; });
    };
    for (int bus = 0; bus < kStems; ++bus) {
        if (stem == kStemNames[bus] && !taken(bus)) return buses_[stem] = bus;
    }
    for (int bus = 0; bus < kStems; ++bus) {
        if (!taken(bus)) return buses_[stem] = bus;
    }
    return -1;
}

}  // namespace stemweave
