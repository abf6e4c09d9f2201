// LD_PRELOAD guard: memory, locks and the usual system calls are counted and named when a thread that is inside the audio callback
// uses them. What goes around these functions is caught by the seccomp filter of the test that uses this (fuzz_core.cpp).
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

extern "C" {
void* __libc_malloc(size_t);
void __libc_free(void*);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

__attribute__((tls_model("initial-exec"))) thread_local int inside = 0;
std::atomic<unsigned long> violations{0};

void check(const char* what) {
    if (inside == 0) return;
    const int depth = inside;
    inside = 0;
    if (violations.fetch_add(1) < 10) fprintf(stderr, "rtguard: %s in the audio callback\n", what);
    inside = depth;
}

template <typename F>
F next(const char* name) {
    return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

}  // namespace

#define GUARD(result, name, params, args)                         \
    extern "C" result name params {                               \
        static const auto real = next<result(*) params>(#name);   \
        check(#name);                                             \
        return real args;                                         \
    }

extern "C" {
void rtguard_enter() { ++inside; }
void rtguard_leave() { --inside; }
unsigned long rtguard_violations() { return violations.load(); }

void* malloc(size_t size) { check("malloc"); return __libc_malloc(size); }
void free(void* memory) { if (memory) check("free"); __libc_free(memory); }
void* calloc(size_t count, size_t size) { check("calloc"); return __libc_calloc(count, size); }
void* realloc(void* memory, size_t size) { check("realloc"); return __libc_realloc(memory, size); }
void* aligned_alloc(size_t align, size_t size) { check("aligned_alloc"); return __libc_memalign(align, size); }
int posix_memalign(void** memory, size_t align, size_t size) {
    check("posix_memalign");
    *memory = __libc_memalign(align, size);
    return *memory ? 0 : 12;
}
}

GUARD(int, pthread_mutex_lock, (pthread_mutex_t * m), (m))
GUARD(int, pthread_mutex_trylock, (pthread_mutex_t * m), (m))
GUARD(int, pthread_rwlock_rdlock, (pthread_rwlock_t * m), (m))
GUARD(int, pthread_rwlock_wrlock, (pthread_rwlock_t * m), (m))
GUARD(int, pthread_cond_signal, (pthread_cond_t * c), (c))
GUARD(int, pthread_cond_broadcast, (pthread_cond_t * c), (c))
GUARD(int, pthread_cond_wait, (pthread_cond_t * c, pthread_mutex_t* m), (c, m))
GUARD(int, sem_post, (sem_t * s), (s))
GUARD(int, sem_wait, (sem_t * s), (s))
GUARD(ssize_t, write, (int fd, const void* data, size_t size), (fd, data, size))
GUARD(ssize_t, read, (int fd, void* data, size_t size), (fd, data, size))
GUARD(ssize_t, send, (int fd, const void* data, size_t size, int flags), (fd, data, size, flags))
GUARD(ssize_t, recv, (int fd, void* data, size_t size, int flags), (fd, data, size, flags))
GUARD(int, nanosleep, (const struct timespec* a, struct timespec* b), (a, b))
GUARD(int, usleep, (useconds_t us), (us))
GUARD(void*, mmap, (void* at, size_t n, int p, int f, int fd, off_t o), (at, n, p, f, fd, o))
GUARD(int, munmap, (void* at, size_t n), (at, n))
