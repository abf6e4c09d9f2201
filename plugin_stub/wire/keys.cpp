#include "keys.hpp"

#include <zmq.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

namespace stemweave {
namespace fs = std::filesystem;
namespace {

constexpr size_t kLongest = 300;  // of an address and of a line: the library's expressions take stack for each letter

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

// As platformdirs has it.
fs::path folder() {
#if defined(_WIN32)
    return fs::path(environment("LOCALAPPDATA")) / "stemweave" / "stemweave" / "keys";
#elif defined(__APPLE__)
    return fs::path(environment("HOME")) / "Library" / "Application Support" / "stemweave" / "keys";
#else
    const std::string config = environment("XDG_CONFIG_HOME");
    return (config.empty() ? fs::path(environment("HOME")) / ".config" : fs::path(config)) / "stemweave" / "keys";
#endif
}

bool is_key(const std::string& text) {
    uint8_t bytes[32];
    return text.size() == 40 && zmq_z85_decode(bytes, text.c_str());
}

// Keys by name, from a file of lines like "studio:27182" = "..."; none where there is no file.
std::map<std::string, std::string> read(const fs::path& path) {
    std::map<std::string, std::string> keys;
    std::error_code error;
    if (!fs::exists(path, error)) return keys;
#if !defined(_WIN32)
    const auto others = fs::perms::group_all | fs::perms::others_all;
    if ((fs::status(path, error).permissions() & others) != fs::perms::none) {
        throw KeyError(path.string() + " may be read or changed by others. If none of them did, close it: chmod 600 " + path.string() +
                       ". Else remove it, and pair again.");
    }
#endif
    static const std::regex entry(R"re(\s*"?([^"=\s]+)"?\s*=\s*"([^"\\]*)"\s*)re");
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        std::smatch found;
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        if (line.size() > kLongest || !std::regex_match(line, found, entry) || !is_key(found[2])) {
            throw KeyError(path.string() + " is damaged. Remove it, and pair again.");
        }
        keys[found[1]] = found[2];
    }
    return keys;
}

// By which a machine speaks with itself; other ways to write them count as another machine, which is safe.
bool is_loopback(const std::string& host) {
    static const std::regex numbers(R"(127(\.\d{1,3}){3})");
    return host == "localhost" || host == "::1" || std::regex_match(host, numbers);
}

}  // namespace

Keys keys_for(const std::string& address) {
    static const std::regex form(R"(tcp://(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9._-]+)):(\d{1,5}))");
    std::smatch parts;
    if (address.size() > kLongest || !std::regex_match(address, parts, form)) throw KeyError(address.substr(0, kLongest) + " is not an address to connect to. Give tcp://HOST:PORT.");
    std::string host = parts[1].matched ? parts[1] : parts[2];
    std::transform(host.begin(), host.end(), host.begin(), [](unsigned char letter) { return std::tolower(letter); });
    if (is_loopback(host)) return {};
    const std::string place = host + ":" + parts[3].str();
    Keys keys;
    keys.server = read(folder() / "servers.toml")[place];
    keys.own_secret = read(folder() / "client.toml")["secret"];
    char own_public[41] = "";
    if (!keys.own_secret.empty()) zmq_curve_public(own_public, keys.own_secret.c_str());
    keys.own_public = own_public;
    if (keys.server.empty() || keys.own_public.empty()) {
        throw KeyError("This machine was not paired with " + place + ". Run there: stemweave pair. And here what it then shows: stemweave pair " +
                       place + " CODE");
    }
    return keys;
}

}  // namespace stemweave
