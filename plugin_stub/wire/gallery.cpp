#include "wire/gallery.hpp"

#include <map>
#include <mutex>
#include <utility>

namespace stemweave {
namespace {

struct Gallery {
    std::mutex mutex;
    std::map<std::string, Outline> outlines;
};

Gallery& gallery() {
    static Gallery all;
    return all;
}

}  // namespace

void hang(const std::string& track, Outline outline) {
    std::lock_guard<std::mutex> lock(gallery().mutex);
    gallery().outlines[track] = std::move(outline);
}

void take_down(const std::string& track) {
    std::lock_guard<std::mutex> lock(gallery().mutex);
    gallery().outlines.erase(track);
}

Outline outline_of(const std::string& track) {
    std::lock_guard<std::mutex> lock(gallery().mutex);
    const auto found = gallery().outlines.find(track);
    return found == gallery().outlines.end() ? Outline{} : found->second;
}

}  // namespace stemweave
