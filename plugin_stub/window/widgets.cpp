#include "window/widgets.hpp"

#include <algorithm>
#include <cmath>

namespace stemweave {
namespace {

using DGL_NAMESPACE::NanoVG;

DGL_NAMESPACE::Color colour_of(Colour colour) { return DGL_NAMESPACE::Color(colour.r, colour.g, colour.b); }

}  // namespace

void Pen::fill(const Box& box, Colour colour, float radius) {
    nvg_.beginPath();
    nvg_.roundedRect(box.x, box.y, box.w, box.h, radius);
    nvg_.fillColor(colour_of(colour));
    nvg_.fill();
}

void Pen::edge(const Box& box, Colour colour, float radius) {
    nvg_.beginPath();
    nvg_.roundedRect(box.x + 0.5f, box.y + 0.5f, box.w - 1.0f, box.h - 1.0f, radius);
    nvg_.strokeColor(colour_of(colour));
    nvg_.strokeWidth(1.0f);
    nvg_.stroke();
}

void Pen::dot(float x, float y, float radius, Colour colour) {
    nvg_.beginPath();
    nvg_.circle(x, y, radius);
    nvg_.fillColor(colour_of(colour));
    nvg_.fill();
}

float Pen::width(const std::string& words, float size) {
    DGL_NAMESPACE::Rectangle<float> bounds;
    nvg_.fontSize(size);
    return nvg_.textBounds(0, 0, words.c_str(), nullptr, bounds);
}

void Pen::text(const Box& box, const std::string& words, Colour colour, float size) {
    std::string fits = words;
    while (!fits.empty() && width(fits == words ? fits : fits + "…", size) > box.w) {
        do fits.pop_back();
        while (!fits.empty() && (fits.back() & 0xC0) == 0x80);  // a letter's further bytes
        if (!fits.empty() && (fits.back() & 0xC0) == 0xC0) fits.pop_back();
    }
    if (fits != words) fits += "…";
    nvg_.fontFace("sans");
    nvg_.fontSize(size);
    nvg_.fillColor(colour_of(colour));
    nvg_.textAlign(NanoVG::ALIGN_LEFT | NanoVG::ALIGN_MIDDLE);
    nvg_.text(box.x, box.y + box.h / 2, fits.c_str(), nullptr);
}

void Pen::text_centred(const Box& box, const std::string& words, Colour colour, float size) {
    const float wide = std::min(width(words, size), box.w);
    text({box.x + (box.w - wide) / 2, box.y, box.w, box.h}, words, colour, size);
}

void Pen::paragraph(const Box& box, const std::string& words, Colour colour, float size) {
    nvg_.save();
    nvg_.intersectScissor(box.x, box.y, box.w, box.h);
    nvg_.fontSize(size);
    nvg_.fillColor(colour_of(colour));
    nvg_.textLineHeight(1.15f);
    nvg_.textAlign(NanoVG::ALIGN_LEFT | NanoVG::ALIGN_TOP);
    nvg_.textBox(box.x, box.y, box.w, words.c_str());
    nvg_.restore();
}

void Pen::button(const Spot& spot) {
    fill(spot.box, spot.enabled ? theme::kPanel : theme::kGround, 5);
    edge(spot.box, spot.on ? theme::kGood : theme::kEdge, 5);
    text_centred(spot.box, spot.label, spot.enabled ? theme::kText : theme::kFaint, theme::kNormal);
}

void Pen::tab(const Spot& spot) {
    text_centred(spot.box, spot.label, spot.on ? theme::kText : theme::kDim, theme::kNormal);
    if (spot.on) fill({spot.box.x + 10, spot.box.bottom() - 2, spot.box.w - 20, 2}, theme::kText);
}

void Pen::check(const Spot& spot, Colour colour) {
    const Box& box = spot.box;
    edge(box, spot.on ? colour : theme::kFaint, 4);
    if (spot.on) fill({box.x + 4, box.y + 4, box.w - 8, box.h - 8}, colour, 2);
}

void Pen::letter(const Spot& spot, Colour colour) {
    fill(spot.box, spot.on ? colour : theme::kGround, 4);
    edge(spot.box, spot.on ? colour : theme::kEdge, 4);
    text_centred(spot.box, spot.label, spot.on ? theme::kGround : theme::kDim, theme::kSmall);
}

void Pen::wave(const Box& box, const float* peaks, size_t columns, Colour colour) {
    const float middle = box.y + box.h / 2, step = box.w / static_cast<float>(columns);
    nvg_.beginPath();
    for (size_t i = 0; i < columns; ++i) {
        const float half = std::max(0.5f, std::sqrt(peaks[i]) * (box.h / 2 - 1));  // quiet parts are seen too
        nvg_.rect(box.x + static_cast<float>(i) * step, middle - half, step, 2 * half);
    }
    nvg_.fillColor(colour_of(colour));
    nvg_.fill();
}

void Pen::stripes(const Box& box, Colour colour) {
    nvg_.save();
    nvg_.intersectScissor(box.x, box.y, box.w, box.h);
    nvg_.beginPath();
    for (float x = box.x - box.h; x < box.right(); x += 10) {
        nvg_.moveTo(x, box.bottom());
        nvg_.lineTo(x + box.h, box.y);
    }
    nvg_.strokeColor(colour_of(colour));
    nvg_.strokeWidth(1.0f);
    nvg_.stroke();
    nvg_.restore();
}

void Pen::upright(float x, float top, float bottom, Colour colour) {
    fill({x - 0.5f, top, 1.0f, bottom - top}, colour);
}

void Pen::lock(float x, float y, Colour colour) {
    fill({x, y + 5, 10, 7}, colour, 1);
    nvg_.beginPath();
    nvg_.arc(x + 5, y + 5, 3, 3.14159f, 0.0f, NanoVG::CW);
    nvg_.strokeColor(colour_of(colour));
    nvg_.strokeWidth(1.6f);
    nvg_.stroke();
}

void Pen::progress(const Box& box, double share, const std::string& words) {
    fill(box, theme::kPanel);
    if (share > 0.0) fill({box.x, box.y, box.w * static_cast<float>(std::clamp(share, 0.0, 1.0)), box.h}, theme::kProgress);
    text({box.x + 10, box.y, box.w - 20, box.h}, words, theme::kText, theme::kNormal);
}

}  // namespace stemweave
