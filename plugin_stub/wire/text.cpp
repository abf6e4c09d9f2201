#include "text.hpp"

namespace stemweave {
namespace {

void append(std::string& out, char32_t letter) {
    if (letter < 0x80) {
        out += static_cast<char>(letter);
        return;
    }
    const int more = letter < 0x800 ? 1 : letter < 0x10000 ? 2 : 3;
    const char32_t first = more == 1 ? 0xC0 : more == 2 ? 0xE0 : 0xF0;
    out += static_cast<char>(first | letter >> 6 * more);
    for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | (letter >> 6 * i & 0x3F));
}

bool is_half(char32_t letter) { return letter >= 0xD800 && letter < 0xE000; }

// Bytes of the letter that begins there, 0 where none does.
size_t letter_at(const std::string& text, size_t at) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const char32_t first = byte(at);
    const size_t size = first < 0x80 ? 1 : first >> 5 == 0x6 ? 2 : first >> 4 == 0xE ? 3 : first >> 3 == 0x1E ? 4 : 0;
    if (size == 0 || at + size > text.size()) return 0;
    char32_t letter = size == 1 ? first : first & (0x7Fu >> size);
    for (size_t i = at + 1; i < at + size; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return 0;
        letter = letter << 6 | (byte(i) & 0x3F);
    }
    std::string again;  // one that could be shorter is none
    if (letter < 0x110000 && !is_half(letter)) append(again, letter);
    return again.size() == size ? size : 0;
}

}  // namespace

std::string fit(const std::string& text, size_t bytes) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        const size_t size = letter_at(text, at);
        if (out.size() + size > bytes) break;
        out.append(text, at, size);
        at += size > 0 ? size : 1;
    }
    return out;
}

std::string utf8_of(const char16_t* text) {
    std::string out;
    for (; *text; ++text) {
        const char32_t first = text[0], second = text[1];
        if (first >= 0xD800 && first < 0xDC00 && second >= 0xDC00 && second < 0xE000) {
            append(out, 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00));
            ++text;
        } else if (!is_half(first)) {
            append(out, first);
        }
    }
    return out;
}

}  // namespace stemweave
