// Checksums and random names, by libsodium and zlib.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <sodium.h>

namespace stemweave {

uint32_t crc32_of(const void* data, size_t size);

// Of what comes piece by piece.
class Sha256 {
  public:
    Sha256() { crypto_hash_sha256_init(&state_); }
    void add(const void* data, size_t size) { crypto_hash_sha256_update(&state_, static_cast<const unsigned char*>(data), size); }
    // Lower-case hexadecimal; nothing can be added any more.
    std::string end();

  private:
    crypto_hash_sha256_state state_;
};

std::string sha256_of(const void* data, size_t size);
// A random UUID, version 4.
std::string new_uuid();

}  // namespace stemweave
