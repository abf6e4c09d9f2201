// The plug-in as DPF sees it: this file only translates.
#include <DistrhoPlugin.hpp>

#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "core/core.hpp"
#include "plugin/Parts.hpp"
#include "wire/talker.hpp"

START_NAMESPACE_DISTRHO

namespace sw = stemweave;

static_assert(DISTRHO_PLUGIN_NUM_INPUTS == sw::kInputs, "DPF and the core must agree on the inputs");
static_assert(DISTRHO_PLUGIN_NUM_OUTPUTS == sw::kOutputs, "DPF and the core must agree on the outputs");

enum States { kRecipe, kServer, kSession, kName, kLocks, kPreset, kStateCount };
constexpr const char* kStateKeys[kStateCount] = {"recipe", "server", "session", "name", "locks", "preset"};

class StemweavePlugin : public Plugin {
  public:
    StemweavePlugin() : Plugin(kParameterCount, 0, kStateCount), core_(std::make_shared<sw::Core>()) {
        core_->prepare(getSampleRate());
        if (!isDummyInstance()) talker_ = std::make_shared<sw::Talker>(core_);  // hosts scan with dummies: no thread, no socket
    }

    Parts parts() const { return {core_, talker_}; }

  protected:
    const char* getLabel() const override { return "stemweave"; }
    const char* getDescription() const override { return "Sends the track to a stemweave server and plays its stems in time."; }
    const char* getMaker() const override { return "stemweave"; }
    const char* getLicense() const override { return "MIT"; }
    uint32_t getVersion() const override { return d_version(0, 1, 0); }
    int64_t getUniqueId() const override { return d_cconst('s', 'W', 'v', 'e'); }

    void initAudioPort(bool input, uint32_t index, AudioPort& port) override {
        const uint32_t bus = index / 2;
        port.groupId = bus;
        const char* name = bus == 0 ? (input ? "Track" : "Track thru") : sw::kStemNames[bus - 1];
        port.name = String(name) + (index % 2 ? " right" : " left");
        port.symbol = String(input ? "in" : "out") + "_" + (bus == 0 ? "track" : name) + (index % 2 ? "_right" : "_left");
    }

    void initPortGroup(uint32_t group, PortGroup& port_group) override {
        port_group.name = group == 0 ? "Track" : sw::kStemNames[group - 1];
        port_group.symbol = group == 0 ? "track" : sw::kStemNames[group - 1];
    }

    void initParameter(uint32_t index, Parameter& parameter) override {
        const auto describe = [&parameter](uint32_t hints, const char* name, const char* symbol, float def, float max) {
            parameter.hints = hints;
            parameter.name = name;
            parameter.symbol = symbol;
            parameter.ranges = ParameterRanges(def, 0.0f, max);
        };
        // Separate and Cancel act when they are switched on. They are switches, not triggers: DPF's VST3 drops those.
        switch (index) {
        case kTakesPart: return describe(kParameterIsAutomatable | kParameterIsBoolean, "Takes part", "takes_part", 1, 1);
        case kPlays:
            parameter.midiCC = 20;  // these numbers are free in MIDI; a pad on the desk asks and listens
            return describe(kParameterIsAutomatable | kParameterIsBoolean, "Play stems", "play_stems", 1, 1);
        case kOwnClock: return describe(kParameterIsBoolean, "Own clock", "own_clock", 0, 1);
        case kSeparate:
            parameter.midiCC = 21;
            return describe(kParameterIsAutomatable | kParameterIsBoolean, "Separate", "separate", 0, 1);
        case kCancel:
            parameter.midiCC = 22;
            return describe(kParameterIsAutomatable | kParameterIsBoolean, "Cancel", "cancel", 0, 1);
        case kConnection:
            describe(kParameterIsOutput | kParameterIsInteger, "Connection", "connection", 0, 3);
            return label(parameter, {"no server", "greeting", "connected", "refused"});
        case kJob:
            describe(kParameterIsOutput | kParameterIsInteger, "Job", "job", 0, 6);
            return label(parameter, {"none", "waiting", "uploading", "running", "done", "cancelled", "failed"});
        case kProgress: return describe(kParameterIsOutput, "Progress", "progress", 0, 1);
        case kRole:
            describe(kParameterIsInteger, "Track is", "track_is", 0, sw::kRoles.size() - 1);
            return label(parameter, {"anything", "bass", "drums", "guitar", "piano"});
        case kAccompany:
            parameter.midiCC = 23;
            return describe(kParameterIsAutomatable | kParameterIsBoolean, "Accompany", "accompany", 0, 1);
        case kTracks: return describe(kParameterIsOutput | kParameterIsInteger, "Tracks that take part", "tracks", 0, 64);
        case kInfill:
            parameter.midiCC = 24;
            return describe(kParameterIsAutomatable | kParameterIsBoolean, "Infill", "infill", 0, 1);
        case kRegenerate:
            parameter.midiCC = 25;
            return describe(kParameterIsAutomatable | kParameterIsBoolean, "Regenerate", "regenerate", 0, 1);
        case kFillFrom:
        case kFillTo:
            parameter.unit = "s";
            return index == kFillFrom ? describe(0, "Fill from", "fill_from", 0, 7200) : describe(0, "Fill to", "fill_to", 0, 7200);
        }
        const auto of_stem = [&](uint32_t hints, uint32_t first, const char* word, const char* symbol, float def) {
            const std::string stem = sw::kStemNames[index - first];
            describe(kParameterIsBoolean | hints, (word + (" " + stem)).c_str(), (symbol + ("_" + stem)).c_str(), def, 1);
        };
        if (index < kTracks) return of_stem(0, kWant, "Want", "want", 1);
        if (index < kSolo) return of_stem(kParameterIsAutomatable, kMute, "Mute", "mute", 0);
        of_stem(kParameterIsAutomatable, kSolo, "Solo", "solo", 0);
    }

    float getParameterValue(uint32_t index) const override {
        switch (index) {
        case kTakesPart: return core_->takes_part;
        case kPlays: return core_->plays;
        case kOwnClock: return core_->own_clock;
        case kSeparate: return separate_was_on_;
        case kCancel: return cancel_was_on_;
        case kConnection: return talker_ ? static_cast<float>(talker_->connection()) : 0.0f;
        case kJob: return talker_ ? static_cast<float>(talker_->job()) : 0.0f;
        case kProgress: return talker_ ? static_cast<float>(talker_->progress()) : 0.0f;
        case kRole: return talker_ ? static_cast<float>(talker_->role()) : 0.0f;
        case kAccompany: return accompany_was_on_;
        case kInfill: return infill_was_on_;
        case kRegenerate: return regenerate_was_on_;
        case kFillFrom: return talker_ ? static_cast<float>(talker_->fill_from()) : 0.0f;
        case kFillTo: return talker_ ? static_cast<float>(talker_->fill_to()) : 0.0f;
        case kTracks: return talker_ ? static_cast<float>(talker_->tracks()) : 0.0f;
        }
        if (index >= kSolo) return core_->soloed >> (index - kSolo) & 1;
        if (index >= kMute) return core_->muted >> (index - kMute) & 1;
        return talker_ ? talker_->wants(static_cast<int>(index) - kWant) : 1.0f;
    }

    void setParameterValue(uint32_t index, float value) override {
        const bool on = value > 0.5f;
        switch (index) {
        case kTakesPart: core_->takes_part = on; break;
        case kPlays: core_->plays = on; break;
        case kOwnClock: core_->own_clock = on; break;
        case kSeparate:
            if (!separate_was_on_.exchange(on) && on && talker_) talker_->separate();
            break;
        case kCancel:
            if (!cancel_was_on_.exchange(on) && on && talker_) talker_->cancel();
            break;
        case kRole:
            if (talker_) talker_->set_role(static_cast<int>(std::lround(value)));
            break;
        case kAccompany:
            if (!accompany_was_on_.exchange(on) && on && talker_) talker_->accompany();
            break;
        case kInfill:
            if (!infill_was_on_.exchange(on) && on && talker_) talker_->infill();
            break;
        case kRegenerate:
            if (!regenerate_was_on_.exchange(on) && on && talker_) talker_->regenerate();
            break;
        case kFillFrom:
            if (talker_) talker_->set_fill_from(value);
            break;
        case kFillTo:
            if (talker_) talker_->set_fill_to(value);
            break;
        default:
            if (index >= kSolo) turn(core_->soloed, index - kSolo, on);
            else if (index >= kMute) turn(core_->muted, index - kMute, on);
            else if (index >= kWant && index < kTracks && talker_) talker_->want(static_cast<int>(index) - kWant, on);
        }
    }

    void initState(uint32_t index, State& state) override {
        state.key = kStateKeys[index];
        state.label = kStateKeys[index];
        state.hints = index == kServer || index == kName ? kStateIsHostWritable : kStateIsOnlyForDSP;
    }

    String getState(const char* key) const override {
        if (std::strcmp(key, kStateKeys[kServer]) == 0) return String(server_.c_str());
        if (std::strcmp(key, kStateKeys[kName]) == 0) return String(name_.c_str());
        if (std::strcmp(key, kStateKeys[kSession]) == 0) return String(talker_ ? talker_->session().c_str() : "");
        if (std::strcmp(key, kStateKeys[kLocks]) == 0) return String(talker_ ? talker_->locks().text().c_str() : "");
        if (std::strcmp(key, kStateKeys[kPreset]) == 0) return String(talker_ ? talker_->preset().c_str() : "");
        return String(talker_ ? talker_->recipe().c_str() : "");
    }

    void setState(const char* key, const char* value) override {
        if (!talker_) return;
        if (std::strcmp(key, kStateKeys[kRecipe]) == 0) talker_->restore(value);
        if (std::strcmp(key, kStateKeys[kLocks]) == 0) talker_->set_locks(sw::Locks::read(value));
        if (std::strcmp(key, kStateKeys[kPreset]) == 0) talker_->set_preset(value);
        if (std::strcmp(key, kStateKeys[kServer]) == 0 && server_ != value) {
            server_ = value;
            talker_->set_server(server_);
        }
        if (std::strcmp(key, kStateKeys[kSession]) == 0) talker_->set_session(value);
        if (std::strcmp(key, kStateKeys[kName]) == 0) talker_->set_name(name_ = value);
    }

    void activate() override { core_->prepare(getSampleRate()); }
    void sampleRateChanged(double rate) override { core_->prepare(rate); }

    void run(const float** inputs, float** outputs, uint32_t frames) override {
        const TimePosition& time = getTimePosition();
        sw::Transport now;
        now.rolling = time.playing;
        now.position = static_cast<int64_t>(time.frame);
        now.musical.bpm = time.bbt.beatsPerMinute;
        if (time.bbt.valid) {
            now.musical.numerator = static_cast<int>(time.bbt.beatsPerBar);
            now.musical.denominator = static_cast<int>(time.bbt.beatType);
            const double beat = (time.bbt.bar - 1) * time.bbt.beatsPerBar + time.bbt.beat - 1 + time.bbt.tick / time.bbt.ticksPerBeat;
            now.ppq = beat * 4.0 / time.bbt.beatType;
        }
        core_->process(inputs, outputs, frames, now);
    }

  private:
    static void turn(std::atomic<unsigned>& bits, uint32_t bit, bool on) {
        if (on) bits |= 1u << bit;
        else bits &= ~(1u << bit);
    }

    template <size_t N>
    static void label(Parameter& parameter, const char* const (&names)[N]) {
        parameter.enumValues.count = N;
        parameter.enumValues.restrictedMode = true;
        parameter.enumValues.values = new ParameterEnumerationValue[N];
        for (size_t i = 0; i < N; ++i) parameter.enumValues.values[i] = {static_cast<float>(i), names[i]};
    }

    std::shared_ptr<sw::Core> core_;
    std::shared_ptr<sw::Talker> talker_;  // owned here alone; the window looks at it
    std::string server_;
    std::string name_;
    // Set by the callback in some formats, by the window's thread in others.
    std::atomic<bool> accompany_was_on_{false};
    std::atomic<bool> separate_was_on_{false};
    std::atomic<bool> cancel_was_on_{false};
    std::atomic<bool> infill_was_on_{false};
    std::atomic<bool> regenerate_was_on_{false};

    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(StemweavePlugin)
};

Parts parts_of(void* plugin) { return static_cast<StemweavePlugin*>(static_cast<Plugin*>(plugin))->parts(); }

void name_track(void* plugin, const std::string& name) {
    if (const auto talker = parts_of(plugin).talker.lock()) talker->set_hosts_name(name);
}

Plugin* createPlugin() { return new StemweavePlugin(); }

END_NAMESPACE_DISTRHO
