#include "wave.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>

namespace stemweave {
namespace {

// Little-endian, as all machines this runs on are.
template <typename T>
void put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

constexpr size_t kBroadcast = 602;  // bytes of a version 1 chunk without history
constexpr size_t kReference = 338;  // where in it the time reference stands

std::string header(size_t data_bytes, int sample_rate, int64_t start) {
    std::string out = "RIFF";
    put<uint32_t>(out, static_cast<uint32_t>(4 + 8 + kBroadcast + 8 + 16 + 8 + data_bytes));
    out += "WAVEbext";
    put<uint32_t>(out, kBroadcast);
    std::string broadcast(kBroadcast, '\0');
    std::memcpy(&broadcast[256], "stemweave", 9);  // originator
    const uint64_t reference = static_cast<uint64_t>(std::max<int64_t>(start, 0));
    std::memcpy(&broadcast[kReference], &reference, sizeof reference);
    broadcast[kReference + 8] = 1;  // version
    out += broadcast + "fmt ";
    put<uint32_t>(out, 16);
    put<uint16_t>(out, 3);  // IEEE float
    put<uint16_t>(out, 2);
    put<uint32_t>(out, static_cast<uint32_t>(sample_rate));
    put<uint32_t>(out, static_cast<uint32_t>(sample_rate) * 8);
    put<uint16_t>(out, 8);
    put<uint16_t>(out, 32);
    out += "data";
    put<uint32_t>(out, static_cast<uint32_t>(data_bytes));
    return out;
}

}  // namespace

bool write_wave(const std::string& path, const std::vector<float>& stereo, int sample_rate, int64_t start) {
    const size_t bytes = stereo.size() * sizeof(float);
    if (bytes > UINT32_MAX - 1024) return false;
    std::ofstream out(path, std::ios::binary);
    const std::string head = header(bytes, sample_rate, start);
    out.write(head.data(), static_cast<std::streamsize>(head.size()));
    out.write(reinterpret_cast<const char*>(stereo.data()), static_cast<std::streamsize>(bytes));
    out.close();
    return out.good();
}

bool read_wave(const std::string& path, std::vector<float>& stereo) {
    const size_t bytes = stereo.size() * sizeof(float);
    std::ifstream in(path, std::ios::binary);
    std::string head(header(bytes, 0, 0).size(), '\0');
    in.read(&head[0], static_cast<std::streamsize>(head.size()));
    uint32_t length = 0;
    std::memcpy(&length, &head[head.size() - 4], sizeof length);
    if (!in || head.compare(0, 4, "RIFF") != 0 || head.compare(head.size() - 8, 4, "data") != 0 || length != bytes) return false;
    in.read(reinterpret_cast<char*>(stereo.data()), static_cast<std::streamsize>(bytes));
    return static_cast<bool>(in);
}

}  // namespace stemweave
