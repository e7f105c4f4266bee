# Debian's native GCC, for the desktop build of nnrun that tests run without emulation.
set(CMAKE_C_COMPILER x86_64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER x86_64-linux-gnu-g++)
