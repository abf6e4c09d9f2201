#include "hash.hpp"

#include <zlib.h>

namespace stemweave {
namespace {

std::string hexadecimal(const unsigned char* data, size_t size) {
    std::string text(2 * size + 1, '\0');
    sodium_bin2hex(&text[0], text.size(), data, size);
    text.pop_back();
    return text;
}

}  // namespace

uint32_t crc32_of(const void* data, size_t size) {
    return static_cast<uint32_t>(crc32_z(0, static_cast<const unsigned char*>(data), size));
}

std::string Sha256::end() {
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(&state_, digest);
    return hexadecimal(digest, sizeof digest);
}

std::string sha256_of(const void* data, size_t size) {
    Sha256 sum;
    sum.add(data, size);
    return sum.end();
}

std::string new_uuid() {
    unsigned char bytes[16];
    randombytes_buf(bytes, sizeof bytes);
    bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);
    bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
    std::string text = hexadecimal(bytes, sizeof bytes);
    for (int at : {20, 16, 12, 8}) text.insert(at, "-");
    return text;
}

}  // namespace stemweave
