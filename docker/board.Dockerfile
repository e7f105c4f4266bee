# An emulated board: arm64 Debian trixie with sshd and the user pi, key login only.
# BASE is debian:trixie-slim (arm64) where a registry answers, else unpacked packages from this
# machine's own apt sources. The key of this machine comes in when a board starts, not here.
ARG BASE
FROM ${BASE}
COPY board.packages board-setup.sh /tmp/
RUN sh /tmp/board-setup.sh /tmp/board.packages && rm /tmp/board.packages /tmp/board-setup.sh
COPY sshd_config /etc/ssh/sshd_config
EXPOSE 22
CMD ["/usr/sbin/sshd", "-D", "-e"]
