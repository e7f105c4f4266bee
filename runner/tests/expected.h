#pragma once

#include <cstdio>

// A program of tests says what does not hold; its exit code is 1 if anything does not.
inline int failures = 0;

inline void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "FAILED: %s\n", what);
    ++failures;
}

#define EXPECT(condition) expect(condition, #condition)
