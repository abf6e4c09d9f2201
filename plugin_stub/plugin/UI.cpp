// The window as DPF sees it: looks at the plug-in ten times a second, draws what has changed, passes on what is clicked.
#include <DistrhoUI.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "plugin/Parts.hpp"
#include "window/font.hpp"
#include "window/look.hpp"
#include "window/pages.hpp"
#include "window/reveal.hpp"

START_NAMESPACE_DISTRHO

namespace sw = stemweave;

static_assert(DISTRHO_UI_DEFAULT_WIDTH == static_cast<int>(sw::kWidth), "DPF and the layout must agree on the size");
static_assert(DISTRHO_UI_DEFAULT_HEIGHT == static_cast<int>(sw::kHeight), "DPF and the layout must agree on the size");

class StemweaveUI : public UI {
  public:
    StemweaveUI() {
        if (getPluginInstancePointer()) parts_ = parts_of(getPluginInstancePointer());
        createFontFromMemory("sans", sw::kFont, sw::kFontSize, false);
        const double scale = getScaleFactor();
        const auto width = static_cast<uint>(DISTRHO_UI_DEFAULT_WIDTH * scale), height = static_cast<uint>(DISTRHO_UI_DEFAULT_HEIGHT * scale);
        setGeometryConstraints(DISTRHO_UI_DEFAULT_WIDTH, DISTRHO_UI_DEFAULT_HEIGHT, true);
        if (getWidth() != width || getHeight() != height) setSize(width, height);
        look();
    }

  protected:
    // What the window shows is read from the plug-in itself, see DistrhoPluginInfo.h.
    void parameterChanged(uint32_t, float) override {}
    void stateChanged(const char*, const char*) override {}

    void uiIdle() override {
        const auto now = std::chrono::steady_clock::now();
        if (now - looked_ < std::chrono::milliseconds(100)) return;
        looked_ = now;
        if (!dragged_from_ && look()) repaint();
    }

    void onNanoDisplay() override {
        scale(points(), points());
        fontFace("sans");
        sw::Pen pen(*this);
        sw::draw(pen, shown_, page_, sw::spots(shown_, page_));
    }

    bool onMouse(const MouseEvent& event) override {
        if (event.button != 1) return false;
        const auto x = static_cast<float>(event.pos.getX()) / points(), y = static_cast<float>(event.pos.getY()) / points();
        if (!event.press) return let_go(x);
        looker_.could_reveal(true);  // or what was said of the click before stays
        if (page_ == sw::Page::session && sw::ruler().holds(x, y)) {
            dragged_from_ = x;
            return true;
        }
        if (page_ == sw::Page::session) {
            if (const auto cell = sw::cell_at(shown_, x, y)) return turn(*cell);
        }
        const auto spot = sw::hit(sw::spots(shown_, page_), x, y);
        if (!spot) return false;
        act(*spot);
        look();
        repaint();
        return true;
    }

    bool onMotion(const MotionEvent& event) override {
        if (!dragged_from_) return false;
        shown_.status.stretch = dragged_to(static_cast<float>(event.pos.getX()) / points());
        repaint();
        return true;
    }

  private:
    float points() const {  // pixels in a point
        return std::min(static_cast<float>(getWidth()) / sw::kWidth, static_cast<float>(getHeight()) / sw::kHeight);
    }

    bool look() {
        const auto core = parts_.core.lock();
        const auto talker = parts_.talker.lock();
        return core && talker && looker_.look(*core, *talker, shown_);
    }

    void act(const sw::Spot& spot) {
        const auto talker = parts_.talker.lock();
        switch (spot.action) {
        case sw::Action::show_session: page_ = sw::Page::session; break;
        case sw::Action::show_doctor: page_ = sw::Page::doctor; break;
        case sw::Action::separate: if (talker) talker->separate(); break;
        case sw::Action::accompany: if (talker) talker->accompany(); break;
        case sw::Action::infill: if (talker) talker->infill(); break;
        case sw::Action::regenerate: if (talker) talker->regenerate(); break;
        case sw::Action::redo: if (talker) talker->redo(); break;
        case sw::Action::preset: setState("preset", shown_.next_preset().c_str()); break;
        case sw::Action::cancel: if (talker) talker->cancel(); break;
        case sw::Action::reveal: looker_.could_reveal(sw::reveal(shown_.status.folder)); break;
        // Switches are parameters: the host saves them and shows the same.
        case sw::Action::takes_part: set(kTakesPart, !spot.on); break;
        case sw::Action::plays: set(kPlays, !spot.on); break;
        case sw::Action::want: set(kWant + static_cast<uint32_t>(spot.index), !spot.on); break;
        case sw::Action::mute: set(kMute + static_cast<uint32_t>(spot.index), !spot.on); break;
        case sw::Action::solo: set(kSolo + static_cast<uint32_t>(spot.index), !spot.on); break;
        case sw::Action::role: set(kRole, (shown_.role + 1) % static_cast<int>(sw::kRoles.size())); break;
        }
    }

    // Locks a cell, or unlocks it. As state: the host hears that the project has changed.
    bool turn(const sw::Cell& cell) {
        sw::Locks locks = shown_.locks;
        locks.set(cell.stem, cell.range, !cell.locked);
        setState("locks", locks.text().c_str());
        look();
        repaint();
        return true;
    }

    // The end of dragging over the ruler: what was passed is the stretch; after a mere click it is the loop again.
    bool let_go(float x) {
        if (!dragged_from_) return false;
        const sw::Range stretch = dragged_to(x);
        dragged_from_.reset();
        set(kFillFrom, static_cast<float>(static_cast<double>(stretch.start) / shown_.rate));
        set(kFillTo, static_cast<float>(static_cast<double>(stretch.end) / shown_.rate));
        return true;
    }

    sw::Range dragged_to(float x) const { return sw::stretch_between(*dragged_from_, x, sw::timeline(shown_)); }

    void set(uint32_t parameter, float value) {
        editParameter(parameter, true);
        setParameterValue(parameter, value);
        editParameter(parameter, false);
    }

    Parts parts_;
    sw::Looker looker_;
    sw::Shown shown_;
    sw::Page page_ = sw::Page::session;
    std::optional<float> dragged_from_;  // where on the ruler
    std::chrono::steady_clock::time_point looked_{};

    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(StemweaveUI)
};

UI* createUI() { return new StemweaveUI(); }

END_NAMESPACE_DISTRHO
