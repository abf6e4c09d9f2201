// The thread that talks: drains the recording, holds the connection, tells the other tracks of the session of this one, runs the job,
// keeps finished takes. A plug-in instance has one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/core.hpp"
#include "wire/gallery.hpp"
#include "wire/jobs.hpp"
#include "wire/locks.hpp"
#include "wire/server.hpp"

namespace stemweave {

// What a track may be said to play, in the order of a host's menu; the first: nobody said.
constexpr std::array<const char*, 5> kRoles = {"", "bass", "drums", "guitar", "piano"};

// What may come from a project file or a server as a preset's name, and go to one.
bool can_be_preset(const std::string& name);

// What the window shows; a copy, taken at any moment.
struct Status {
    Connection connection = Connection::absent;
    JobState job = JobState::none;
    double progress = 0.0;    // 0 to 1
    Range recorded;           // what sounds of the take
    uint64_t lost = 0;        // frames, since the last job began
    int tracks = 0;           // of the session, this one too, that take part and have something recorded
    Range context;            // from the first frame that one of them has to the last
    Range stretch;            // that would be filled; empty: none is known
    std::string server;       // its address
    std::string message;      // in a producer's words: what is wrong and what to do; empty when all is well, or there is an offer
    Offer offer = Offer::none;  // about stems that are gone, and where they were
    Range gone;
    std::string folder;       // of the finished take
    std::string takes;        // the folder of all takes
    std::string session;      // its key
    std::string me;           // this track's id among the members
    std::vector<Track> members;  // of the session, whether they take part or not
    std::string protocol;     // that the server last spoke, and the version of its package; empty before it did
    std::string package;
    std::vector<std::string> models;  // none: it is loading, or was never there
    std::vector<std::string> presets;
    std::string preset;       // by which the track would be separated
    std::string last_trouble; // the message that was shown last, kept when all is well again
};

class Talker {
  public:
    explicit Talker(std::shared_ptr<Core> core);
    // Within a quarter of a second, whatever the server does.
    ~Talker();
    Talker(const Talker&) = delete;
    Talker& operator=(const Talker&) = delete;

    // Wishes, from any thread, the callback included.
    void separate() noexcept;
    // The stems that a project was saved with, where the status offers it.
    void redo() noexcept;
    // Stems to go with all tracks of the session that take part, but those that are there already.
    void accompany() noexcept;
    // Make a stretch of those tracks anew whose stems are switched on, from what is around it, or as a variation of what is there.
    void infill() noexcept;
    void regenerate() noexcept;
    void cancel() noexcept;
    // role: index into kRoles, what this track plays. stem: index into kStemNames, a source that is asked for, or not.
    void set_role(int role) noexcept;
    void want(int stem, bool on) noexcept;
    // The stretch to fill, in seconds on the host's timeline; where `to` is not behind `from`, the loop that the transport went round.
    void set_fill_from(double from) noexcept;
    void set_fill_to(double to) noexcept;

    // For output parameters, from any thread, the callback included.
    Connection connection() const noexcept;
    JobState job() const noexcept;
    double progress() const noexcept;
    int tracks() const noexcept;
    int role() const noexcept;
    bool wants(int stem) const noexcept;
    double fill_from() const noexcept;
    double fill_to() const noexcept;

    // Any thread but the callback.
    Status status() const;
    // What plays; what lies below its `ready` does not change any more. Null where nothing does.
    std::shared_ptr<const StemSet> stems() const;
    // The recipe of the stems that play, for the host's project; empty when there are none.
    std::string recipe() const;
    // Bring back the stems of a saved recipe from the cache, before this returns: a host may open a project and bounce it at once.
    // Where they are gone the status says so. Nothing changes where it is the recipe that there is: hosts save and restore on undo.
    void restore(const std::string& text);
    // The server's address; empty: $STEMWEAVE_SERVER, else this machine's.
    void set_server(const std::string& address);
    // The session whose tracks belong together, saved with the project; until one is set, that of the host's process.
    std::string session() const;
    void set_session(const std::string& key);
    // What this track is called: as somebody typed it, saved with the project; else as the host says.
    void set_name(const std::string& name);
    void set_hosts_name(const std::string& name);
    // By which preset of the server's the track is separated; saved with the project. What cannot be a preset's name is the first again.
    std::string preset() const;
    void set_preset(const std::string& name);
    // Which cells of the grid stay as they are when stems are made anew; saved with the project.
    Locks locks() const;
    void set_locks(const Locks& locks);

  private:
    struct Shared;
    std::shared_ptr<Shared> shared_;  // lives as long as the thread, should that be left behind
};

}  // namespace stemweave
