// The window's pages.
#pragma once

#include "window/widgets.hpp"

namespace stemweave {

void draw(Pen& pen, const Shown& shown, Page page, const std::vector<Spot>& spots);

}  // namespace stemweave
