// One DEALER socket, in the ZeroMQ context of the process. All calls on one thread; nothing here waits longer than it is told.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "wire/keys.hpp"

namespace stemweave {

using Frames = std::vector<std::string>;

class Link {
  public:
    Link();
    ~Link();  // at once: LINGER is 0, so that unsent messages hold nothing up
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    // A fresh socket to `address`, under a fresh identity, in place of the last one; under CURVE where there are keys. False, with
    // why(), for an address that is none.
    bool open(const std::string& address, const Keys& keys = {});
    void close();
    bool is_open() const { return socket_ != nullptr; }
    const std::string& why() const { return why_; }

    // False when there is no connection, or no room; nothing is queued for a server that is not there (IMMEDIATE).
    bool send(const std::string& header) { return send(header, nullptr, 0); }
    bool send(const std::string& header, const void* payload, size_t size);
    // The frames of the next message, none where none arrives within `milliseconds`.
    Frames receive(int milliseconds);
    // Whether the connection was cut since this was last asked, and is there again: ZeroMQ mends it by itself, but what was under
    // way is lost. True once anything can be received that came after the cut.
    bool was_cut();

  private:
    bool watch();
    bool give_up(const std::string& why);

    const std::shared_ptr<void> context_;
    void* socket_ = nullptr;
    void* monitor_ = nullptr;  // of handshakes
    int handshakes_ = 0;
    std::string why_;
};

}  // namespace stemweave
