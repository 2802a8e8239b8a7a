// std::mutex and its like, which libc++ lacks where there are no threads.
#pragma once
#include <condition_variable>
#include <mutex>

namespace std {
struct mutex {
    void lock() {}
    void unlock() {}
    bool try_lock() { return true; }
};
struct recursive_mutex : mutex {};
struct condition_variable {
    void notify_all() {}
    void notify_one() {}
    template <class... A> void wait(A &&...) {}
};
struct thread {
    thread() {}
    template <class... A> explicit thread(A &&...) {}
    void join() {}
    void detach() {}
    bool joinable() const { return false; }
    static unsigned hardware_concurrency() { return 1; }
};
}
