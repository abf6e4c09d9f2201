// Names as hosts give them, made fit for the wire, which takes UTF-8 alone.
#pragma once

#include <cstddef>
#include <string>

namespace stemweave {

// At most so many bytes of it, cut between two letters; what is no UTF-8 is left out.
std::string fit(const std::string& text, size_t bytes);

// UTF-8 of UTF-16 that ends with a zero; half of a pair is left out.
std::string utf8_of(const char16_t* text);

}  // namespace stemweave
