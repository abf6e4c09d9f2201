#include "messages.hpp"

#include <tuple>

#include "hash.hpp"

namespace stemweave {

Header& Header::put(const std::string& name, const Header& map) {
    msgpack::packer<msgpack::sbuffer>(fields_).pack(name);
    const std::string bytes = map.bytes();
    fields_.write(bytes.data(), bytes.size());
    ++count_;
    return *this;
}

std::string Header::bytes() const {
    msgpack::sbuffer head;
    msgpack::packer<msgpack::sbuffer>(head).pack_map(count_);
    return std::string(head.data(), head.size()).append(fields_.data(), fields_.size());
}

Header fields() { return Header(); }

std::optional<Message> Message::read(const void* data, size_t size) {
    if (size > kMaxHeader) return std::nullopt;
    const msgpack::unpack_limit limit(kMaxHeader, kMaxHeader, kMaxHeader, kMaxHeader, kMaxHeader, 32);
    Message message;
    try {
        message.handle_ = std::make_shared<msgpack::object_handle>(
            msgpack::unpack(static_cast<const char*>(data), size, nullptr, nullptr, limit));
    } catch (const std::exception&) {
        return std::nullopt;
    }
    message.map_ = &message.handle_->get();
    if (message.map_->type != msgpack::type::MAP) return std::nullopt;
    message.type_ = message.text("type");
    if (message.type_.empty()) return std::nullopt;
    return message;
}

const msgpack::object* Message::find(const char* field) const {
    const auto& map = map_->via.map;
    for (const auto* pair = map.ptr; pair != map.ptr + map.size; ++pair) {
        if (pair->key.type == msgpack::type::STR && std::string(pair->key.via.str.ptr, pair->key.via.str.size) == field) {
            return &pair->val;
        }
    }
    return nullptr;
}

std::string Message::text(const char* field, const std::string& missing) const {
    const auto* value = find(field);
    return value && value->type == msgpack::type::STR ? std::string(value->via.str.ptr, value->via.str.size) : missing;
}

int64_t Message::integer(const char* field, int64_t missing) const {
    const auto* value = find(field);
    if (!value) return missing;
    if (value->type == msgpack::type::NEGATIVE_INTEGER) return value->via.i64;
    if (value->type != msgpack::type::POSITIVE_INTEGER || value->via.u64 > static_cast<uint64_t>(INT64_MAX)) return missing;
    return static_cast<int64_t>(value->via.u64);
}

double Message::real(const char* field, double missing) const {
    const auto* value = find(field);
    if (!value) return missing;
    if (value->type == msgpack::type::FLOAT32 || value->type == msgpack::type::FLOAT64) return value->via.f64;
    return static_cast<double>(integer(field, static_cast<int64_t>(missing)));
}

bool Message::flag(const char* field, bool missing) const {
    const auto* value = find(field);
    return value && value->type == msgpack::type::BOOLEAN ? value->via.boolean : missing;
}

std::map<std::string, std::string> Message::texts(const char* field) const {
    std::map<std::string, std::string> result;
    const auto* value = find(field);
    if (!value || value->type != msgpack::type::MAP) return result;
    for (const auto* pair = value->via.map.ptr; pair != value->via.map.ptr + value->via.map.size; ++pair) {
        if (pair->key.type == msgpack::type::STR && pair->val.type == msgpack::type::STR) {
            result[std::string(pair->key.via.str.ptr, pair->key.via.str.size)] =
                std::string(pair->val.via.str.ptr, pair->val.via.str.size);
        }
    }
    return result;
}

std::vector<std::string> Message::words(const char* field) const {
    std::vector<std::string> result;
    const auto* value = find(field);
    if (!value || value->type != msgpack::type::ARRAY) return result;
    for (const auto* item = value->via.array.ptr; item != value->via.array.ptr + value->via.array.size; ++item) {
        if (item->type == msgpack::type::STR) result.emplace_back(item->via.str.ptr, item->via.str.size);
    }
    return result;
}

std::vector<Message> Message::list(const char* field) const {
    std::vector<Message> result;
    const auto* value = find(field);
    if (!value || value->type != msgpack::type::ARRAY) return result;
    for (const auto* item = value->via.array.ptr; item != value->via.array.ptr + value->via.array.size; ++item) {
        if (item->type != msgpack::type::MAP) continue;
        Message part;
        part.handle_ = handle_;
        part.map_ = item;
        result.push_back(part);
    }
    return result;
}

std::string hello(const std::string& client) {
    return Header("hello").put("version", std::string(kProtocolVersion)).put("client", client).bytes();
}

std::string submit(const Order& order) {
    Header shape = fields();
    shape.put("sample_rate", order.audio.sample_rate).put("channels", order.audio.channels).put("frames", order.audio.frames);
    shape.put("sha256", order.audio.sha256);
    Header header("submit");
    header.put("job", order.job).put("audio", shape);
    if (order.preset != "separate") header.put("preset", order.preset);
    if (!order.overrides.empty()) header.put("overrides", order.overrides);
    if (!order.wanted.empty()) header.put("wanted", order.wanted);
    if (order.start != 0.0) header.put("start", order.start);
    if (order.stop != 0.0) header.put("stop", order.stop);
    if (!order.context.empty()) header.put("context", order.context);
    if (order.position != 0) header.put("position", order.position);
    if (!order.have.empty()) header.put("have", order.have);
    return header.bytes();
}

bool Track::operator==(const Track& other) const {
    return std::tie(id, name, role, sample_rate, start, frames, takes_part) ==
           std::tie(other.id, other.name, other.role, other.sample_rate, other.start, other.frames, other.takes_part);
}

std::string join(const std::string& context, const Track& track) {
    Header its = fields();
    its.put("id", track.id);
    if (!track.name.empty()) its.put("name", track.name);
    if (!track.role.empty()) its.put("role", track.role);
    if (track.sample_rate != 0) its.put("sample_rate", track.sample_rate);
    if (track.start != 0) its.put("start", track.start);
    if (track.frames != 0) its.put("frames", track.frames);
    if (!track.takes_part) its.put("takes_part", false);
    return Header("join").put("context", context).put("track", its).bytes();
}

std::vector<Track> tracks_of(const Message& message) {
    std::vector<Track> tracks;
    for (const Message& its : message.list("tracks")) {
        const int64_t start = its.integer("start"), frames = its.integer("frames"), farthest = int64_t{1} << 53;
        if (start < -farthest || start > farthest || frames < 0 || frames > kMaxFrames) continue;
        tracks.push_back({its.text("id"), its.text("name"), its.text("role"), static_cast<int>(its.integer("sample_rate")),
                          start, frames, its.flag("takes_part", true)});
    }
    return tracks;
}

std::string chunk(const std::string& job, const std::string& stem, int64_t offset, const void* payload, size_t size) {
    Header header("chunk");
    header.put("job", job).put("offset", offset).put("crc32", crc32_of(payload, size));
    if (!stem.empty()) header.put("stem", stem);
    return header.bytes();
}

std::string credit(const std::string& job, int chunks) {
    return Header("credit").put("job", job).put("chunks", chunks).bytes();
}

std::string cancel(const std::string& job) { return Header("cancel").put("job", job).bytes(); }
std::string ping() { return Header("ping").bytes(); }
std::string bye() { return Header("bye").bytes(); }

}  // namespace stemweave
