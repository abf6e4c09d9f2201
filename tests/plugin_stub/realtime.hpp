// Marks where a thread is inside the audio callback, for the guard (rtguard.cpp) that is preloaded into a test.
#pragma once

extern "C" {
__attribute__((weak)) void rtguard_enter();
__attribute__((weak)) void rtguard_leave();
__attribute__((weak)) unsigned long rtguard_violations();
}

struct InCallback {
    InCallback() {
        if (rtguard_enter) rtguard_enter();
    }
    ~InCallback() {
        if (rtguard_leave) rtguard_leave();
    }
};
