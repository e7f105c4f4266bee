/* A plugin for qemu-user that counts the guest's instructions exactly: each translated block adds
 * its length when it runs. Every process of a tree appends lines "PID COUNT" to the file of the
 * argument out=FILE; their sum is the tree's count, for each line tells what came after the last.
 *
 * Debian packages no qemu-plugin.h, so the few functions used here (API version 1, QEMU 4.2 and
 * later) are declared by hand. */

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *, uint64_t);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, unsigned, int64_t, uint64_t,
                                                                     uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                                     uint64_t, uint64_t));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);

int qemu_plugin_version = 1;

enum { ADD_U64 = 0 };
/* Numbers of aarch64. */
enum { NANOSLEEP = 101, CLOCK_NANOSLEEP = 115, EXECVE = 221, WAIT4 = 260 };

static uint64_t count;
static char out[4096];

static void tell(void) {
    char line[64];
    const int length = snprintf(line, sizeof line, "%d %llu\n", (int)getpid(), (unsigned long long)count);
    const int file = open(out, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0 || write(file, line, (size_t)length) != length) _exit(99);
    close(file);
    count = 0;
}

static void on_block(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &count, qemu_plugin_tb_n_insns(block));
}

/* After an exec there is another program, and nobody to tell what this one has done; whoever sleeps
 * or waits may be killed meanwhile. */
static void on_syscall(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c,
                       uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number == EXECVE || number == NANOSLEEP || number == CLOCK_NANOSLEEP || number == WAIT4) tell();
}

static void on_exit_(qemu_plugin_id_t id, void *data) {
    (void)id, (void)data;
    tell();
}

static void in_child(void) { count = 0; }

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 || strlen(argv[0]) >= sizeof out) return -1;
    strcpy(out, argv[0] + 4);
    pthread_atfork(NULL, NULL, in_child);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    qemu_plugin_register_atexit_cb(id, on_exit_, NULL);
    return 0;
}
