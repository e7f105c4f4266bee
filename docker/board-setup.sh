#!/bin/sh
# Makes a board of a Debian base. Works on an installed system and on one whose packages were
# only unpacked (no maintainer script ran, so there are no users and no /bin/sh link yet).
set -eu
packages=$1

if ! command -v sshd > /dev/null && ! [ -x /usr/sbin/sshd ]; then
    apt-get update
    sed '/^#/d' "$packages" | xargs apt-get install -y --no-install-recommends
    rm -rf /var/lib/apt/lists/*
fi

# The alternatives system makes this link when packages are installed rather than unpacked.
command -v awk > /dev/null || ln -s mawk /usr/bin/awk

[ -s /etc/passwd ] || cp /usr/share/base-passwd/passwd.master /etc/passwd
[ -s /etc/group ] || cp /usr/share/base-passwd/group.master /etc/group
[ -e /etc/shadow ] || sed 's/:.*/:*:19000:0:99999:7:::/' /etc/passwd > /etc/shadow

grep -q '^sshd:' /etc/passwd || echo 'sshd:x:101:65534::/run/sshd:/usr/sbin/nologin' >> /etc/passwd
grep -q '^pi:' /etc/passwd || echo 'pi:x:1000:1000:pi:/home/pi:/bin/bash' >> /etc/passwd
grep -q '^pi:' /etc/group || echo 'pi:x:1000:' >> /etc/group
# '*' is no password at all; '!' would be a locked account, which sshd refuses even with a key.
grep -q '^sshd:' /etc/shadow || echo 'sshd:*:19000:0:99999:7:::' >> /etc/shadow
grep -q '^pi:' /etc/shadow || echo 'pi:*:19000:0:99999:7:::' >> /etc/shadow
chmod 640 /etc/shadow

mkdir -p /home/pi/.ssh /run/sshd /tmp /var/tmp
chmod 1777 /tmp /var/tmp
chmod 755 /run/sshd
chmod 700 /home/pi /home/pi/.ssh
chown -R 1000:1000 /home/pi
# Host keys are made when a board starts: two boards never share one.
rm -f /etc/ssh/ssh_host_*
