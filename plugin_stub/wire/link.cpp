#include "link.hpp"

#include <zmq.h>

#include <chrono>
#include <mutex>
#include <thread>

#if !defined(_WIN32)
#include <unistd.h>
#endif

#include "hash.hpp"
#include "messages.hpp"

namespace stemweave {
namespace {

constexpr const char* kNoSocket = "This host has no room for another connection: take some plug-ins out, or let it open more files";

// A whole message that is there already.
Frames next_of(void* socket) {
    Frames frames;
    int more = 1;
    while (more) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            return {};
        }
        frames.emplace_back(static_cast<const char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
        more = zmq_msg_more(&part);
        zmq_msg_close(&part);
    }
    return frames;
}

// One for all instances: each has threads and descriptors of its own, and where a host has no more of these ZeroMQ ends it. It goes
// with the last link. A process that was forked off has none of its parent's threads, and gets another.
std::shared_ptr<void> context_of_process() {
    static std::mutex mutex;
    static std::weak_ptr<void> last;
    std::lock_guard<std::mutex> lock(mutex);
    auto context = last.lock();
#if !defined(_WIN32)
    static pid_t process = 0;
    if (process != getpid()) context.reset();
    process = getpid();
#endif
    if (context) return context;
    if (void* made = zmq_ctx_new()) context.reset(made, zmq_ctx_term);
    last = context;
    return context;
}

}  // namespace

Link::Link() : context_(context_of_process()) {}

Link::~Link() { close(); }

bool Link::open(const std::string& address, const Keys& keys) {
    close();
    socket_ = context_ ? zmq_socket(context_.get(), ZMQ_DEALER) : nullptr;
    if (!socket_) return give_up(kNoSocket);
    const auto option = [this](int name, int value) { zmq_setsockopt(socket_, name, &value, sizeof value); };
    option(ZMQ_LINGER, 0);
    option(ZMQ_IMMEDIATE, 1);
    option(ZMQ_HEARTBEAT_IVL, 1000);
    option(ZMQ_HEARTBEAT_TIMEOUT, 4000);
    option(ZMQ_HEARTBEAT_TTL, 6000);
    option(ZMQ_RECONNECT_IVL, 100);
    option(ZMQ_RECONNECT_IVL_MAX, 2000);
    option(ZMQ_CONNECT_TIMEOUT, 3000);
    const int64_t largest = kMaxPayload;
    zmq_setsockopt(socket_, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    const std::string identity = "plugin-" + new_uuid();
    zmq_setsockopt(socket_, ZMQ_ROUTING_ID, identity.data(), identity.size());
    if (!keys.server.empty()) {
        const auto key = [this](int name, const std::string& text) { zmq_setsockopt(socket_, name, text.c_str(), text.size() + 1); };
        key(ZMQ_CURVE_SERVERKEY, keys.server);
        key(ZMQ_CURVE_PUBLICKEY, keys.own_public);
        key(ZMQ_CURVE_SECRETKEY, keys.own_secret);
    }
    if (!watch()) return give_up(kNoSocket);  // before there is a first handshake
    if (zmq_connect(socket_, address.c_str()) != 0) return give_up(address + " is not an address to connect to");
    return true;
}

bool Link::give_up(const std::string& why) {
    why_ = why + ": " + zmq_strerror(zmq_errno()) + ".";
    close();
    return false;
}

bool Link::watch() {
    handshakes_ = 0;
    const std::string place = "inproc://" + new_uuid();  // another each time: ZeroMQ lets go of one when it likes
    if (zmq_socket_monitor(socket_, place.c_str(), ZMQ_EVENT_HANDSHAKE_SUCCEEDED) != 0) return false;
    monitor_ = zmq_socket(context_.get(), ZMQ_PAIR);
    return monitor_ && zmq_connect(monitor_, place.c_str()) == 0;
}

void Link::close() {
    if (socket_) zmq_socket_monitor(socket_, nullptr, 0);
    if (monitor_) zmq_close(monitor_);
    if (socket_) zmq_close(socket_);
    socket_ = monitor_ = nullptr;
}

bool Link::was_cut() {
    bool cut = false;
    while (monitor_ && !next_of(monitor_).empty()) cut = ++handshakes_ > 1;
    return cut;
}

bool Link::send(const std::string& header, const void* payload, size_t size) {
    if (!socket_) return false;
    const int more = payload ? ZMQ_SNDMORE : 0;
    if (zmq_send(socket_, header.data(), header.size(), ZMQ_DONTWAIT | more) < 0) return false;
    return !payload || zmq_send(socket_, payload, size, ZMQ_DONTWAIT) >= 0;
}

Frames Link::receive(int milliseconds) {
    if (!socket_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
        return {};
    }
    zmq_pollitem_t item{socket_, 0, ZMQ_POLLIN, 0};
    return zmq_poll(&item, 1, milliseconds) > 0 ? next_of(socket_) : Frames{};
}

}  // namespace stemweave
