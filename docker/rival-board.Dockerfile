# A board of this machine's own architecture for benchmarks/deploy.py and fanout.py: piyard's, with
# rsync for rsync and Python for Ansible.
ARG BASE
FROM ${BASE}
COPY rival-board.packages board-setup.sh /tmp/
RUN sh /tmp/board-setup.sh /tmp/rival-board.packages \
    && rm /tmp/rival-board.packages /tmp/board-setup.sh \
    # installing Python does this, unpacking does not; the login user could not keep it
    && python3 -m compileall -q /usr/lib/python3*
COPY sshd_config /etc/ssh/sshd_config
EXPOSE 22
CMD ["/usr/sbin/sshd", "-D", "-e"]
