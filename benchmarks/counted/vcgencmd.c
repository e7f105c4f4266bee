/* Stands in for the Raspberry Pi's vcgencmd, a small C program too, which asks the firmware by one
 * ioctl: that happens in the kernel, so its instructions would not be counted anyway. */

#include <stdio.h>
#include <string.h>

int main(int count, char **words) {
    if (count == 3 && strcmp(words[1], "measure_clock") == 0 && strcmp(words[2], "arm") == 0)
        return puts("frequency(0)=2400033792") == EOF;
    if (count == 2 && strcmp(words[1], "get_throttled") == 0) return puts("throttled=0x0") == EOF;
    return 1;
}
