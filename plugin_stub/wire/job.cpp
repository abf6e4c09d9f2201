#include "job.hpp"

#include <algorithm>
#include <cstring>

#include "hash.hpp"

namespace stemweave {
namespace {

constexpr const char* kTooManyStems =
    "There are more stems than this plug-in has outputs for. Choose a preset whose model makes fewer.";

}  // namespace

Job::Job(Audio track, const std::string& preset, int64_t seed, const std::string& id) : audio_(std::move(track.samples)) {
    frames_ = static_cast<int64_t>(audio_.size() / 2);
    order_.job = id;
    order_.preset = preset;
    order_.overrides = {{"seed", seed}};
    order_.audio.sample_rate = track.sample_rate;
    order_.audio.frames = frames_;
    order_.audio.sha256 = sha256_of(audio_.data(), audio_.size() * sizeof(float));
    make_stems(track.start);
}

Job::Job(Order order, size_t givers, Kept kept)
    : order_(std::move(order)), givers_(givers), kept_(std::move(kept)), frames_(order_.audio.frames) {
    order_.job = new_uuid();
    make_stems(order_.position);
}

void Job::make_stems(int64_t start) {
    stems_ = std::make_shared<StemSet>(order_.audio.sample_rate, start, frames_);
    for (int stem = 0; stem < kStems; ++stem) {
        if (kept_.any(stem) && !is_wanted(kStemNames[stem])) kept_.copy(stem, *stems_);
    }
}

void Job::submit(Link& link) {
    order_.have = filled_;
    link.send(stemweave::submit(order_));
}

bool Job::begin_anew() {
    if (anew_) return false;
    anew_ = true;
    order_.job = new_uuid();
    filled_.clear();
    sums_.clear();
    buses_.clear();
    progress_ = 0.0;
    state_ = JobState::waiting;
    const int64_t start = stems_->start;
    stems_.reset();  // never two of them
    make_stems(start);
    return true;
}

void Job::handle(Link& link, const Message& message, const std::string& payload) {
    if (!is_open()) return;
    const std::string& type = message.type();
    // Before it is accepted these are of before a cut: what was granted is void, and an end is told again.
    if (state_ == JobState::waiting && (type == "credit" || type == "progress" || type == "done")) return;
    if (type == "accepted") {
        sent_ = std::clamp<int64_t>(message.integer("received"), 0, frames_);
        state_ = message.text("state") == "uploading" ? JobState::uploading : JobState::running;
        link.send(credit(id(), kCredit));
    } else if (type == "credit") {
        upload(link, message.integer("chunks"));
    } else if (type == "progress") {
        state_ = JobState::running;
        const double fraction = message.real("fraction");
        progress_ = fraction >= 0.0 ? std::min(fraction, 1.0) : 0.0;  // what is no number is none of it
    } else if (type == "chunk") {
        download(link, message, payload);
    } else if (type == "done") {
        finish(message);
    } else if (type == "cancelled") {
        end(JobState::cancelled);
    } else if (type == "error") {
        const std::string hint = message.text("hint");
        fail(message.text("message", "The server reports an error.") + (hint.empty() ? "" : " " + hint));
    }
}

void Job::upload(Link& link, int64_t chunks) {
    if (givers_ > 0) return;  // the credit is for what this track gives, see Gift
    const int64_t size = kChunkBytes / (2 * sizeof(float));
    for (; chunks > 0 && sent_ < frames_; --chunks) {
        const int64_t frames = std::min(size, frames_ - sent_);
        const float* piece = &audio_[2 * static_cast<size_t>(sent_)];
        const size_t bytes = static_cast<size_t>(frames) * 2 * sizeof(float);
        if (!link.send(chunk(id(), "", sent_, piece, bytes), piece, bytes)) return;
        sent_ += frames;
    }
    if (sent_ == frames_) state_ = JobState::running;
}

void Job::download(Link& link, const Message& message, const std::string& payload) {
    const std::string stem = message.text("stem");
    const int64_t offset = message.integer("offset", -1);
    const int64_t frames = static_cast<int64_t>(payload.size() / (2 * sizeof(float)));
    if (!is_wanted(stem)) {  // a track that was given comes back as it was
        link.send(credit(id(), 1));
        return;
    }
    const int bus = bus_of(stem);
    if (bus < 0) return fail(kTooManyStems);
    if (offset < 0 || offset > frames_ || frames > frames_ - offset ||
        static_cast<uint32_t>(message.integer("crc32")) != crc32_of(payload.data(), payload.size())) {
        return fail("A piece of a stem was damaged on the way. Ask again.");
    }
    int64_t& filled = filled_[stem];
    // What is there already may be playing: it is the same audio again after a cut, and is not written twice.
    if (offset <= filled && offset + frames > filled) {
        const int64_t known = filled - offset;
        const size_t bytes = static_cast<size_t>(frames - known) * 2 * sizeof(float);
        const char* fresh = payload.data() + known * 2 * sizeof(float);
        std::memcpy(&stems_->audio[bus][2 * static_cast<size_t>(filled)], fresh, bytes);
        sums_[stem].add(fresh, bytes);
        kept_.lay_over(*stems_, bus, filled, filled + frames - known);
        filled += frames - known;
    }
    link.send(credit(id(), 1));
    const size_t stems = order_.wanted.empty() ? static_cast<size_t>(kStems) : order_.wanted.size();
    if (filled_.size() < stems) return;  // play only what is there on every bus
    int64_t ready = frames_;
    for (const auto& [name, count] : filled_) ready = std::min(ready, count);
    stems_->ready.store(ready, std::memory_order_release);
}

void Job::finish(const Message& message) {
    for (const auto& [stem, hash] : message.texts("stems")) {
        if (!is_wanted(stem)) continue;
        const int bus = bus_of(stem);
        if (bus < 0) return fail(kTooManyStems);
        if (filled_[stem] != frames_ || sums_[stem].end() != hash) {
            return fail("The stem " + stem + " was damaged on the way. Ask again.");
        }
        hashes_[kStemNames[bus]] = hash;  // whatever the model calls it: the cache knows buses
    }
    for (int stem = 0; stem < kStems; ++stem) {  // what the recipe will say of them
        const auto& audio = stems_->audio[stem];
        if (kept_.any(stem)) hashes_[kStemNames[stem]] = sha256_of(audio.data(), audio.size() * sizeof(float));
    }
    stems_->ready.store(frames_, std::memory_order_release);
    progress_ = 1.0;
    end(JobState::done);
}

void Job::fail(const std::string& message) {
    error_ = message;
    end(JobState::failed);
}

void Job::end(JobState state) {
    state_ = state;
    kept_ = {};  // a whole set of stems, of no more use
    if (state == JobState::done) return;
    stems_.reset();  // nor are these, and the track
    audio_ = {};
}

bool Job::is_wanted(const std::string& stem) const {
    return order_.wanted.empty() || std::find(order_.wanted.begin(), order_.wanted.end(), stem) != order_.wanted.end();
}

// The bus of that name, whatever came before it; else the last free one, the residual's after all others. -1 when there are more
// stems than buses.
int Job::bus_of(const std::string& stem) {
    const auto known = buses_.find(stem);
    if (known != buses_.end()) return known->second;
    const auto on = [this](int bus) {
        return std::find_if(buses_.begin(), buses_.end(), [bus](const auto& entry) { return entry.second == bus; });
    };
    constexpr int order[kStems] = {3, 2, 1, 0, 4};
    const int* const free = std::find_if(order, order + kStems, [&](int bus) { return on(bus) == buses_.end(); });
    if (free == order + kStems) return -1;
    const auto named = std::find(kStemNames.begin(), kStemNames.end(), stem);
    if (named == kStemNames.end()) return buses_[stem] = *free;
    const int bus = static_cast<int>(named - kStemNames.begin());
    const auto other = on(bus);
    if (other != buses_.end()) {  // it makes way; nothing plays before all are here
        std::swap(stems_->audio[bus], stems_->audio[*free]);
        other->second = *free;
    }
    return buses_[stem] = bus;
}

}  // namespace stemweave
