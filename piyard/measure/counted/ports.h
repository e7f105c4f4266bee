/* What an instruction of aarch64 takes of a Cortex-A76's issue ports.
 *
 * The numbers are those of LLVM's AArch64SchedNeoverseN1.td, whose core is the A76's sibling: two
 * vector pipes (V0 alone divides and converts, V1 alone shifts), two for loads and stores, three for
 * integers (one of them multiplies), one for branches, four operations a cycle in all. */

#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ports {
    float vector, v0, v1, memory, integer, multiply, branch;
};

static inline float largest(float a, float b) { return a > b ? a : b; }

/* Cycles that a block takes at least, whatever its order and dependencies. */
static float port_cycles(const struct ports *p) {
    const float vectors = largest((p->vector + p->v0 + p->v1) / 2, largest(p->v0, p->v1));
    const float integers = largest((p->integer + p->multiply) / 3, p->multiply);
    const float all = p->vector + p->v0 + p->v1 + p->memory + p->integer + p->multiply + p->branch;
    return largest(largest(vectors, p->memory / 2), largest(integers, largest(p->branch, all / 4)));
}

static bool is_memory(uint32_t word) { return ((word >> 25) & 5) == 4; }

static void add_structures(uint32_t word, struct ports *p) {
    const bool load = (word >> 22) & 1, quad = (word >> 30) & 1;
    const uint32_t kind = (word >> 12) & 15;
    /* LD1 and ST1 of 1 to 4 registers, which only move. */
    const int plain = kind == 7 ? 1 : kind == 10 ? 2 : kind == 6 ? 3 : kind == 2 ? 4 : 0;
    if (plain) {
        const float moves = load || quad ? (float)plain : (float)((plain + 1) / 2);
        p->memory += moves;
        p->vector += load ? 0 : moves;
        return;
    }
    /* LD2 to LD4 and their stores take apart what they move. */
    const int registers = kind == 8 ? 2 : kind == 4 ? 3 : 4;
    const bool widest = registers == 4 && quad;
    p->vector += load || !widest ? (float)registers : 6;
    p->memory += load ? (widest ? 4 : registers == 2 ? 2 : 3) : (widest ? 6 : (float)registers);
}

static void add_memory(uint32_t word, struct ports *p) {
    const bool vector = (word >> 26) & 1, load = (word >> 22) & 1;
    if (vector && ((word >> 24) & 0xbf) == 0x0c) {
        add_structures(word, p);
    } else if (vector && ((word >> 24) & 0xbf) == 0x0d) { /* a lane of one */
        p->vector += 1, p->memory += 1;
    } else if (((word >> 27) & 7) == 5 && vector) { /* LDP, STP of vectors */
        const bool quad = (word >> 30) == 2;
        p->memory += load || quad ? 2 : 1;
        p->vector += load ? 0 : quad ? 2 : 1;
    } else if (((word >> 27) & 7) == 7 && vector) {
        p->memory += 1, p->vector += load ? 0 : 1;
    } else {
        p->memory += 1;
    }
}

static void add_integer(uint32_t word, struct ports *p) {
    if (((word >> 24) & 0x1f) == 0x1b) {
        p->multiply += (word >> 31) ? 3 : 1;
    } else if (((word >> 21) & 0x3ff) == 0x0d6 && ((word >> 11) & 0x1f) == 1) { /* division */
        p->multiply += 5;
    } else {
        p->integer += 1;
    }
}

/* Three registers of the same kind. */
static void add_same(uint32_t word, struct ports *p, float wide) {
    const uint32_t op = (word >> 11) & 31, size = (word >> 22) & 3;
    if (op >= 0x18) {
        const bool division = op == 0x1f && ((word >> 29) & 1) && size < 2;
        division ? (p->v0 += 7) : (p->vector += 1);
    } else if (op == 0x12 || op == 0x13 || op == 0x16) { /* MUL, MLA, SQDMULH of integers */
        p->v0 += wide;
    } else if (op >= 8 && op <= 11) { /* shifts by a register */
        p->v1 += 1;
    } else {
        p->vector += 1;
    }
}

/* A register to a register: conversions and roundings take V0, half precision twice as long. */
static void add_converted(uint32_t word, struct ports *p, float wide, bool half) {
    const uint32_t op = (word >> 12) & 31;
    if (half) {
        op >= 0x18 ? (p->v0 += 2 * wide) : (p->vector += 1);
    } else if (op == 0x16 || op == 0x17) { /* FCVTN, FCVTL */
        p->v0 += 2;
    } else if (op >= 0x18 && op <= 0x1d) {
        p->v0 += op == 0x1c && ((word >> 22) & 3) >= 2 ? 2 : wide;
    } else if (op == 0x12 || op == 0x14) { /* XTN, SQXTN */
        p->v1 += 1;
    } else {
        p->vector += 1;
    }
}

static void add_by_element(uint32_t word, struct ports *p, float wide) {
    const uint32_t op = (word >> 12) & 15;
    const bool floats = ((op == 1 || op == 5) && !((word >> 29) & 1)) || op == 9, dot = op == 14;
    if (floats || dot) {
        p->vector += 1;
    } else {
        p->v0 += op == 2 || op == 6 || op == 10 ? 1 : wide;
    }
}

static void add_scalar_float(uint32_t word, struct ports *p) {
    const uint32_t op = (word >> 10) & 0x3f;
    if (((word >> 24) & 0x5f) == 0x1e && ((word >> 21) & 1) && op == 6) { /* FDIV */
        p->v0 += 7;
    } else if (((word >> 24) & 0x5f) == 0x1e && ((word >> 21) & 1) && op == 0) { /* conversions */
        p->v0 += 1;
    } else {
        p->vector += 1;
    }
}

static void add_vector(uint32_t word, struct ports *p) {
    const float wide = (word >> 30) & 1 ? 2 : 1;
    if (((word >> 24) & 0x5e) == 0x1e) {
        add_scalar_float(word, p);
    } else if ((word & 0x9f200400) == 0x0e200400) {
        add_same(word, p, wide);
    } else if ((word & 0x9f60c400) == 0x0e400400) { /* the same in half precision */
        const bool division = ((word >> 11) & 7) == 7 && ((word >> 29) & 1) && !((word >> 23) & 1);
        division ? (p->v0 += wide > 1 ? 10 : 7) : (p->vector += 1);
    } else if ((word & 0x9f000400) == 0x0f000000) {
        add_by_element(word, p, wide);
    } else if ((word & 0x9f3e0c00) == 0x0e200800) {
        add_converted(word, p, wide, false);
    } else if ((word & 0x9f7e0c00) == 0x0e780800) {
        add_converted(word, p, wide, true);
    } else if ((word & 0x9f200c00) == 0x0e200000) { /* long: SMULL and its like from 8 on */
        ((word >> 12) & 15) >= 8 ? (p->v0 += 1) : (p->vector += 1);
    } else if ((word & 0x9f800400) == 0x0f000400) { /* shifts by a number, MOVI */
        p->v1 += 1;
    } else {
        p->vector += 1;
    }
}

static void add_ports(uint32_t word, struct ports *p) {
    const uint32_t group = (word >> 25) & 15;
    if ((group & 14) == 10) {
        (word >> 22) == (0xd5000000u >> 22) ? (p->integer += 1) : (p->branch += 1);
    } else if (is_memory(word)) {
        add_memory(word, p);
    } else if ((group & 7) == 5) {
        add_integer(word, p);
    } else if ((group & 7) == 7) {
        add_vector(word, p);
    } else {
        p->integer += 1;
    }
}
