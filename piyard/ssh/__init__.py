"""An open connection to one board.

Commands are argv lists, quoted once here. Every command has a time limit that ends it on the board
too. Every failure becomes one clear error. A password is prompted for at the terminal if a host
accepts none of our keys, and never stored.
"""

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
