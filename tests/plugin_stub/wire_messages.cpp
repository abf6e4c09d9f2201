// What the plug-in writes and reads, for a test that compares it with bridge/PROTOCOL.md.
//
//   wire_messages write          every example the plug-in can send: NAME HEXADECIMAL, a line each
//   wire_messages read           headers in hexadecimal, a line each, from stdin: what is read of each, in JSON
#include <cstdio>
#include <iostream>
#include <string>

#include "wire/messages.hpp"

using namespace stemweave;

namespace {

void print(const char* name, const std::string& bytes) {
    std::printf("%s ", name);
    for (unsigned char byte : bytes) std::printf("%02x", byte);
    std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
    const std::string job = "6f1c2a90-0000-4000-8000-000000000001";
    if (argc > 1 && std::string(argv[1]) == "write") {
        std::string sha;
        for (int i = 0; i < 32; ++i) sha += "ab";
        const float audio[2] = {0.5f, -0.5f};
        print("hello", hello("example"));
        print("submit", submit({job, {44100, 1, 2, sha}, "separate", {{"seed", 7}}, {}, 0.0, 0.0, "", 0, {}}));
        Order again{job, {44100, 1, 2, sha}, "separate", {{"seed", 7}}, {}, 0.0, 0.0, "", 0, {{"bass", 2}, {"drums", 1}}};
        print("again", submit(again));
        print("join", join("session", {"track", "Bass DI", "bass", 48000, -500, 96000, false}));
        print("chunk", chunk(job, "", 0, audio, sizeof audio));
        print("credit", credit(job, 8));
        print("cancel", cancel(job));
        print("ping", ping());
        print("bye", bye());
        return 0;
    }
    std::string line;
    while (std::getline(std::cin, line)) {
        std::string bytes;
        for (size_t i = 0; i + 1 < line.size(); i += 2) bytes += static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16));
        const auto message = Message::read(bytes.data(), bytes.size());
        if (!message) {
            std::puts("null");
            continue;
        }
        std::printf("{\"type\": \"%s\", \"job\": \"%s\", \"code\": \"%s\", \"offset\": %lld, \"fraction\": %.17g, \"retryable\": %s, "
                    "\"stems\": %zu}\n",
                    message->type().c_str(), message->text("job").c_str(), message->text("code").c_str(),
                    (long long)message->integer("offset", -1), message->real("fraction"),
                    message->flag("retryable") ? "true" : "false", message->texts("stems").size());
    }
    return 0;
}
