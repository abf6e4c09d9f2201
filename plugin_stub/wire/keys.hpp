// Who this machine is to a server elsewhere, and by what it knows that server: the CURVE keys that `stemweave pair` wrote into the
// user's config folder (bridge/keys.py).
#pragma once

#include <stdexcept>
#include <string>

namespace stemweave {

// Z85, 40 characters each; all empty for this machine, which is spoken to in the clear.
struct Keys {
    std::string own_secret;
    std::string own_public;
    std::string server;
};

// Its words are for a producer.
struct KeyError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What a connection to tcp://HOST:PORT needs. KeyError for a machine that this one was not paired with, so that nothing leaves it in the
// clear, for keys that others may read, and for what is no address.
Keys keys_for(const std::string& address);

}  // namespace stemweave
