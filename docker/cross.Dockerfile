# The cross compiler: Debian trixie, its aarch64 GCC, CMake, ninja, ccache.
# BASE is debian:trixie-slim where a registry answers, else a base that mmdebstrap made from
# this machine's own apt sources, which already holds the packages.
ARG BASE
FROM ${BASE}
COPY cross.packages /tmp/cross.packages
RUN if ! command -v aarch64-linux-gnu-g++ > /dev/null; then \
        dpkg --add-architecture arm64 \
        && apt-get update \
        && sed '/^#/d' /tmp/cross.packages \
           | xargs apt-get install -y --no-install-recommends \
        && rm -rf /var/lib/apt/lists/*; \
    fi \
    && aarch64-linux-gnu-g++ --version && cmake --version && ninja --version && ccache --version
