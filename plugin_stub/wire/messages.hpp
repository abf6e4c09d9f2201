// Headers of the stemweave protocol (bridge/PROTOCOL.md): msgpack maps with a `type`, read by name so that unknown fields do no harm.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <msgpack.hpp>

namespace stemweave {

constexpr const char* kProtocolVersion = "1.0";
constexpr size_t kMaxHeader = 64 * 1024;    // bytes
constexpr size_t kMaxPayload = 1024 * 1024; // bytes
constexpr size_t kChunkBytes = 256 * 1024;  // what is sent at once
constexpr int64_t kMaxFrames = int64_t{2} * 3600 * 48000;  // of one job's audio
constexpr int kCredit = 8;                  // chunks that may be under way unanswered

// A header being written; fields keep the order in which they are put.
class Header {
  public:
    explicit Header(const std::string& type) { put("type", type); }

    template <typename T>
    Header& put(const std::string& name, const T& value) {
        msgpack::packer<msgpack::sbuffer> packer(fields_);
        packer.pack(name);
        packer.pack(value);
        ++count_;
        return *this;
    }
    Header& put(const std::string& name, const Header& map);

    std::string bytes() const;

  private:
    Header() = default;
    friend Header fields();

    msgpack::sbuffer fields_;
    uint32_t count_ = 0;
};

// A map without a type, to put into a header.
Header fields();

// A header that was received.
class Message {
  public:
    // Nothing for bytes that are not a map with a `type`, or too large, or too deep.
    static std::optional<Message> read(const void* data, size_t size);

    const std::string& type() const { return type_; }
    // The field, or `missing` where there is none or it is of another kind.
    std::string text(const char* field, const std::string& missing = "") const;
    int64_t integer(const char* field, int64_t missing = 0) const;
    double real(const char* field, double missing = 0.0) const;
    bool flag(const char* field, bool missing = false) const;
    // A map of text to text; what is not text in it is left out.
    std::map<std::string, std::string> texts(const char* field) const;
    // A list of texts; what is none in it is left out.
    std::vector<std::string> words(const char* field) const;
    // A list of maps, to be read as messages are; what is no map in it is left out.
    std::vector<Message> list(const char* field) const;

  private:
    const msgpack::object* find(const char* field) const;

    std::shared_ptr<msgpack::object_handle> handle_;  // holds all that was read
    const msgpack::object* map_ = nullptr;            // the part of it that this is
    std::string type_;
};

struct AudioShape {
    int sample_rate = 0;
    int channels = 2;
    int64_t frames = 0;
    std::string sha256;
};

// What is asked of the server. context: the tracks of a session give the audio, audio.frames of each from `position` on.
struct Order {
    std::string job;
    AudioShape audio;
    std::string preset = "separate";
    std::map<std::string, int64_t> overrides;
    std::vector<std::string> wanted;
    double start = 0.0;  // the stretch to make, in seconds from the first frame on; stop 0: to the end
    double stop = 0.0;
    std::string context;
    int64_t position = 0;
    std::map<std::string, int64_t> have;  // frames of each stem that are here when it is asked for again
};

// What the members of a context know of each other's tracks. role: the source it plays, empty where nobody said.
struct Track {
    std::string id;
    std::string name;
    std::string role;
    int sample_rate = 0;
    int64_t start = 0;
    int64_t frames = 0;
    bool takes_part = true;

    bool operator==(const Track& other) const;
};

std::string hello(const std::string& client);
std::string submit(const Order& order);
std::string join(const std::string& context, const Track& track);
// Of a `tracks` message; what cannot be is left out.
std::vector<Track> tracks_of(const Message& message);
std::string chunk(const std::string& job, const std::string& stem, int64_t offset, const void* payload, size_t size);
std::string credit(const std::string& job, int chunks);
std::string cancel(const std::string& job);
std::string ping();
std::string bye();

}  // namespace stemweave
