"""The SSH edge: the only package that talks to Fabric and Paramiko."""

from piyard.ssh.login import Login
from piyard.ssh.session import NOT_TOLD, Session, connect, require_name, script_argv, shown_key
from piyard.ssh.talk import Outcome, Talk
from piyard.ssh.trouble import disk_full

__all__ = [
    "NOT_TOLD",
    "Login",
    "Outcome",
    "Session",
    "Talk",
    "connect",
    "disk_full",
    "require_name",
    "script_argv",
    "shown_key",
]
