#include "server.hpp"

#include <cstdlib>

namespace stemweave {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPingEvery{1000};
constexpr milliseconds kGreetEvery{1000};
constexpr milliseconds kSilentAfter{5000};

bool same_major(const std::string& version) {
    const std::string ours = kProtocolVersion;
    return version.substr(0, version.find('.')) == ours.substr(0, ours.find('.'));
}

}  // namespace

std::string Server::default_address() {
    const char* address = std::getenv("STEMWEAVE_SERVER");
    return address && *address ? address : "tcp://127.0.0.1:27182";
}

void Server::choose(const std::string& address) {
    address_ = address.empty() ? default_address() : address;
    lose("");
}

Server::News Server::look_after() {
    const auto now = Clock::now();
    if (!link_.is_open()) {
        if (now - greeted_ < kGreetEvery) return News::none;
        greeted_ = now;
        if (!open()) return News::none;
        heard_ = now;
        greeted_ = {};
        connection_ = Connection::greeting;
    }
    if (link_.was_cut()) return greet_again();
    if (now - heard_ > kSilentAfter) {
        const bool refused = connection_ == Connection::refused;  // then it said why, which is worth more
        const std::string advice = paired_ ? " Start it there with: stemweave serve --host. If it runs, pair with it again: stemweave pair"
                                           : " Start one with: stemweave serve";
        lose(refused ? trouble_ : "No stemweave server answers at " + address_ + "." + advice);
        return News::lost;
    }
    const bool is_loading = is_connected() && models_.empty();  // greeted again it says what it has by then
    if ((connection_ == Connection::greeting || is_loading) && now - greeted_ >= kGreetEvery) greet();
    if (is_connected() && now - pinged_ >= kPingEvery) {
        pinged_ = now;
        link_.send(ping());
    }
    return News::none;
}

void Server::greet() {
    if (link_.send(hello("stemweave-plugin"))) greeted_ = Clock::now();
}

bool Server::open() {
    try {
        const Keys keys = keys_for(address_);
        paired_ = !keys.server.empty();
        if (link_.open(address_, keys)) return true;
        trouble_ = link_.why();
    } catch (const KeyError& error) {
        trouble_ = error.what();
    }
    return false;
}

Server::News Server::handle(const Message& message) {
    const std::string& type = message.type();
    if (type == "welcome") return welcome(message);
    if (type == "pong") return is_connected() && message.text("session") != session_ ? greet_again() : News::none;
    // What it says of the rest before it knows us is of before a cut: it will say it again.
    const News rest = is_connected() ? News::other : News::none;
    if (type != "error") return rest;
    const std::string what = message.text("message") + " " + message.text("hint");
    if (message.text("code") == "hello_first") return is_connected() ? greet_again() : News::none;
    if (message.text("code") == "version") {
        refuse(what);
        return News::none;
    }
    if (!message.text("job").empty() || message.text("code") == "context") return rest;  // a job's, the session's
    trouble_ = what;
    return News::none;
}

Server::News Server::welcome(const Message& message) {
    protocol_ = message.text("version");
    package_ = message.text("package");
    models_ = message.words("models");
    presets_ = message.words("presets");
    if (!same_major(message.text("version"))) {
        refuse("The server speaks protocol " + message.text("version") + ", this plug-in " + kProtocolVersion +
               ". Update the older of the two.");
        return News::none;
    }
    const bool again = is_connected() && session_ == message.text("session");
    if (is_connected() && !again) return greet_again();  // a hello reached a server after this one, which knows nothing of what this one was told
    session_ = message.text("session");
    connection_ = Connection::connected;
    trouble_.clear();
    return again ? News::none : News::arrived;
}

Server::News Server::greet_again() {
    connection_ = Connection::greeting;
    session_.clear();
    greeted_ = {};
    greet();  // at once, before what is left of the last welcome can be taken for its answer
    return News::lost;
}

void Server::lose(const std::string& why) {
    link_.close();
    session_.clear();
    connection_ = Connection::absent;
    trouble_ = why;
}

void Server::refuse(const std::string& why) {
    connection_ = Connection::refused;
    trouble_ = why;
}

void Server::leave() {
    if (is_connected()) link_.send(bye());
}

}  // namespace stemweave
