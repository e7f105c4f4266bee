/* A Pi 5's caches as one core sees them: 64 KB, 512 KB and 2 MB of lines of 64 bytes, each with the
 * least recently used line of a set replaced, and written back when it was changed. */

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SHIFT = 6, LEVELS = 3 };

struct cache {
    uint32_t sets, ways;
    uint64_t *lines, *used;
    uint8_t *changed;
};

static struct cache levels[LEVELS];
static uint64_t clock_of_uses;

static bool make_cache(struct cache *cache, uint32_t bytes, uint32_t ways) {
    const size_t count = bytes >> LINE_SHIFT;
    cache->sets = (uint32_t)count / ways, cache->ways = ways;
    cache->lines = malloc(count * sizeof *cache->lines);
    cache->used = calloc(count, sizeof *cache->used);
    cache->changed = calloc(count, 1);
    if (!cache->lines || !cache->used || !cache->changed) return false;
    memset(cache->lines, 0xff, count * sizeof *cache->lines);
    return true;
}

static bool make_caches(void) {
    return make_cache(&levels[0], 64 << 10, 4) && make_cache(&levels[1], 512 << 10, 8) && make_cache(&levels[2], 2 << 20, 16);
}

/* Lines that go to or come from the memory when this level is asked for that line. */
static unsigned touch(int level, uint64_t line, bool write, bool whole) {
    if (level == LEVELS) return 1;
    struct cache *cache = &levels[level];
    const size_t first = (size_t)(line % cache->sets) * cache->ways;
    size_t oldest = first;
    for (size_t at = first; at < first + cache->ways; ++at) {
        if (cache->lines[at] == line) {
            cache->used[at] = ++clock_of_uses;
            cache->changed[at] |= write;
            return 0;
        }
        if (cache->used[at] < cache->used[oldest]) oldest = at;
    }
    const uint64_t evicted = cache->lines[oldest];
    const bool write_back = cache->changed[oldest];
    cache->lines[oldest] = line, cache->used[oldest] = ++clock_of_uses, cache->changed[oldest] = write;
    unsigned moved = write_back ? touch(level + 1, evicted, true, true) : 0;
    /* A line that is written back is there as a whole: nothing is read for it. */
    return moved + (whole ? 0 : touch(level + 1, line, false, false));
}
