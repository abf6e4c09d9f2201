// Checksums and random names, by libsodium and zlib.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace stemweave {

uint32_t crc32_of(const void* data, size_t size);
// Lower-case hexadecimal.
std::string sha256_of(const void* data, size_t size);
// A random UUID, version 4.
std::string new_uuid();

}  // namespace stemweave
