# Debian's aarch64 cross GCC. The base is plain ARMv8-A, so one binary runs on every 64-bit Pi;
# ncnn compiles its armv8.2 kernels apart and picks them at run time.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(CMAKE_C_FLAGS_INIT "-march=armv8-a")
set(CMAKE_CXX_FLAGS_INIT "-march=armv8-a")
# A Pi 5 kernel has 16 KiB pages; 64 KiB alignment loads under any of them.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-z,max-page-size=65536")

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
