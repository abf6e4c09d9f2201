// The server at the other end: greeted when it is there, given up when it falls silent, and found again by itself.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "wire/link.hpp"
#include "wire/messages.hpp"

namespace stemweave {

enum class Connection { absent, greeting, connected, refused };

class Server {
  public:
    // What happened to the connection. lost: the server is gone, or knows us no more, or a cut took along what was under way.
    // arrived: it knows us, and perhaps nothing of what was before. other: nothing, the message is about something else.
    enum class News { none, lost, arrived, other };

    // Now and then: connect, greet, show that we live, give up.
    News look_after();
    News handle(const Message& message);
    // From now on that of another address; empty: $STEMWEAVE_SERVER, else this machine's.
    void choose(const std::string& address);
    // The frames of the next message, none where none arrives within `milliseconds`.
    Frames receive(int milliseconds) { return link_.receive(milliseconds); }
    // Something of the protocol came.
    void is_alive() { heard_ = Clock::now(); }
    void leave();

    Link& link() { return link_; }
    bool is_connected() const { return connection_ == Connection::connected; }
    Connection connection() const { return connection_; }
    const std::string& address() const { return address_; }
    // That it last spoke, and the version of its package; empty before it did.
    const std::string& protocol() const { return protocol_; }
    const std::string& package() const { return package_; }
    // That it can work with, and by; none while it is loading.
    const std::vector<std::string>& models() const { return models_; }
    const std::vector<std::string>& presets() const { return presets_; }
    // In a producer's words; empty when all is well.
    const std::string& trouble() const { return trouble_; }

  private:
    using Clock = std::chrono::steady_clock;

    bool open();
    void greet();
    News welcome(const Message& message);
    News greet_again();
    void lose(const std::string& why);
    void refuse(const std::string& why);

    Link link_;
    std::string address_ = default_address();
    Connection connection_ = Connection::absent;
    std::string session_;
    std::string protocol_;
    std::string package_;
    std::vector<std::string> models_;
    std::vector<std::string> presets_;
    std::string trouble_;
    bool paired_ = false;  // another machine's
    Clock::time_point heard_ = Clock::now();
    Clock::time_point pinged_{};
    Clock::time_point greeted_{};

    static std::string default_address();
};

}  // namespace stemweave
