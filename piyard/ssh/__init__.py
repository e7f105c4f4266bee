"""The SSH edge: the only package that talks to Fabric and Paramiko."""

from piyard.ssh.login import Login as Login
from piyard.ssh.session import NOT_TOLD as NOT_TOLD
from piyard.ssh.session import Session as Session
from piyard.ssh.session import connect as connect
from piyard.ssh.session import require_name as require_name
from piyard.ssh.session import script_argv as script_argv
from piyard.ssh.session import shown_key as shown_key
from piyard.ssh.talk import Outcome as Outcome
from piyard.ssh.talk import Talk as Talk
from piyard.ssh.trouble import disk_full as disk_full
