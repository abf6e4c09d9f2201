#include "messages.hpp"

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
    if (message.handle_->get().type != msgpack::type::MAP) return std::nullopt;
    message.type_ = message.text("type");
    if (message.type_.empty()) return std::nullopt;
    return message;
}

const msgpack::object* Message::find(const char* field) const {
    const auto& map = handle_->get().via.map;
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

std::string hello(const std::string& client) {
    return Header("hello").put("version", std::string(kProtocolVersion)).put("client", client).bytes();
}

std::string submit(const std::string& job, const AudioShape& audio, const std::string& preset,
                   const std::map<std::string, int64_t>& overrides) {
    Header shape = fields();
    shape.put("sample_rate", audio.sample_rate).put("channels", audio.channels).put("frames", audio.frames);
    shape.put("sha256", audio.sha256);
    Header header("submit");
    header.put("job", job).put("audio", shape);
    if (preset != "separate") header.put("preset", preset);
    if (!overrides.empty()) header.put("overrides", overrides);
    return header.bytes();
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
