#include "window/reveal.hpp"

#if defined(_WIN32)
#include <windows.h>

#include <shellapi.h>
#else
#include <spawn.h>
#include <sys/wait.h>

extern char** environ;
#endif

namespace stemweave {

#if defined(_WIN32)

bool reveal(const std::string& folder) {
    return reinterpret_cast<intptr_t>(ShellExecuteA(nullptr, "open", folder.c_str(), nullptr, nullptr, SW_SHOWNORMAL)) > 32;
}

#else

bool reveal(const std::string& folder) {
#if defined(__APPLE__)
    const char* program = "open";
#else
    const char* program = "xdg-open";
#endif
    // A shell that leaves at once: the file manager is nobody's child here, and the host never hears of it.
    const char* const arguments[] = {"sh", "-c", "command -v \"$0\" >/dev/null || exit 1; \"$0\" \"$1\" >/dev/null 2>&1 &", program,
                                     folder.c_str(), nullptr};
    pid_t child = 0;
    if (posix_spawn(&child, "/bin/sh", nullptr, nullptr, const_cast<char* const*>(arguments), environ) != 0) return false;
    int status = 0;
    if (waitpid(child, &status, 0) != child) return true;  // a host that looks after its children itself
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif

}  // namespace stemweave
