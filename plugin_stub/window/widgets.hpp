// What the pages are drawn of. All lengths in points.
#pragma once

#include <string>
#include <vector>

#include <NanoVG.hpp>

#include "window/layout.hpp"
#include "window/theme.hpp"

namespace stemweave {

class Pen {
  public:
    // nvg: inside a frame, scaled so that a unit is a point, with the font "sans".
    explicit Pen(DGL_NAMESPACE::NanoVG& nvg) : nvg_(nvg) {}

    void fill(const Box& box, Colour colour, float radius = 0.0f);
    void edge(const Box& box, Colour colour, float radius);
    void dot(float x, float y, float radius, Colour colour);
    // From the left, in the middle of the box's height; what does not fit ends in an ellipsis.
    void text(const Box& box, const std::string& words, Colour colour, float size);
    void text_centred(const Box& box, const std::string& words, Colour colour, float size);
    // In lines, from the top; what does not fit is cut off.
    void paragraph(const Box& box, const std::string& words, Colour colour, float size);

    void button(const Spot& spot);
    void tab(const Spot& spot);
    void check(const Spot& spot, Colour colour);
    // A small switch with a letter in it.
    void letter(const Spot& spot, Colour colour);
    // Peaks of 0 to 1 from left to right, mirrored about the box's middle.
    void wave(const Box& box, const float* peaks, size_t columns, Colour colour);
    void stripes(const Box& box, Colour colour);
    void upright(float x, float top, float bottom, Colour colour);
    void lock(float x, float y, Colour colour);
    void progress(const Box& box, double share, const std::string& words);

  private:
    float width(const std::string& words, float size);
    DGL_NAMESPACE::NanoVG& nvg_;
};

}  // namespace stemweave
