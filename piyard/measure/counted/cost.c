/* A plugin for qemu-user that says of each part of a run what it takes of a Pi 5's core: instructions,
 * cycles by issue ports (ports.h), bytes to and from the memory (caches.h). A part begins with the
 * call 5000 of its number and ends with the call 5000 of 0; what is not in one is not counted. The
 * file of the argument out=FILE gets a line "PART INSTRUCTIONS CYCLES BYTES" for each, added up.
 *
 * Debian packages no qemu-plugin.h, so the few functions used here (API version 1, QEMU 4.2 and
 * later) are declared by hand. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "caches.h"
#include "ports.h"

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *, uint64_t);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, void (*)(unsigned, qemu_plugin_meminfo_t, uint64_t, void *), int flags,
                                      int access, void *);
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t,
                                                                     uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);

int qemu_plugin_version = 1;

enum { ADD_U64 = 0, NO_REGISTERS = 0, LOADS_AND_STORES = 3, MARK_CALL = 5000, MOST_PARTS = 65536 };

struct block {
    uint64_t runs, runs_before;
    uint32_t instructions;
    float cycles;
    struct block *next;
};

struct part {
    uint64_t instructions, bytes;
    double cycles;
};

static struct block *blocks;
static struct part parts[MOST_PARTS];
static uint64_t current; /* part; 0 is none */
static char out[4096];

static void on_access(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
    (void)cpu, (void)data;
    if (!current) return;
    const uint64_t size = 1ull << qemu_plugin_mem_size_shift(info);
    const bool store = qemu_plugin_mem_is_store(info);
    for (uint64_t line = address >> LINE_SHIFT; line <= (address + size - 1) >> LINE_SHIFT; ++line)
        parts[current].bytes += (uint64_t)touch(0, line, store, false) << LINE_SHIFT;
}

static void on_block(qemu_plugin_id_t id, struct qemu_plugin_tb *translated) {
    (void)id;
    struct block *block = calloc(1, sizeof *block);
    if (!block) abort();
    struct ports ports = {0};
    block->instructions = (uint32_t)qemu_plugin_tb_n_insns(translated);
    for (uint32_t i = 0; i < block->instructions; ++i) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translated, i);
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
        add_ports(word, &ports);
        if (is_memory(word)) qemu_plugin_register_vcpu_mem_cb(instruction, on_access, NO_REGISTERS, LOADS_AND_STORES, NULL);
    }
    block->cycles = port_cycles(&ports);
    block->next = blocks, blocks = block;
    qemu_plugin_register_vcpu_tb_exec_inline(translated, ADD_U64, &block->runs, 1);
}

static void begin_part(uint64_t number) {
    for (struct block *block = blocks; block; block = block->next) block->runs_before = block->runs;
    current = number < MOST_PARTS ? number : 0;
}

static void end_part(void) {
    for (struct block *block = blocks; block && current; block = block->next) {
        const uint64_t runs = block->runs - block->runs_before;
        parts[current].instructions += runs * block->instructions;
        parts[current].cycles += (double)runs * block->cycles;
    }
    current = 0;
}

static void on_syscall(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                       uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)cpu, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number != MARK_CALL) return;
    end_part();
    if (a) begin_part(a);
}

static void on_exit_(qemu_plugin_id_t id, void *data) {
    (void)id, (void)data;
    end_part();
    bool any = false;
    for (uint64_t i = 1; i < MOST_PARTS; ++i) any |= parts[i].instructions != 0;
    if (!any) return; /* a child that loaded the net, and whoever counts nothing */
    FILE *file = fopen(out, "w");
    if (!file) return;
    for (uint64_t i = 1; i < MOST_PARTS; ++i)
        if (parts[i].instructions)
            fprintf(file, "%llu %llu %.1f %llu\n", (unsigned long long)i, (unsigned long long)parts[i].instructions, parts[i].cycles,
                    (unsigned long long)parts[i].bytes);
    fclose(file);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 || strlen(argv[0]) >= sizeof out || !make_caches()) return -1;
    strcpy(out, argv[0] + 4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    qemu_plugin_register_atexit_cb(id, on_exit_, NULL);
    return 0;
}
