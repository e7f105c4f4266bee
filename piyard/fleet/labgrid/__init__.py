"""Boards of a labgrid farm: a place is reserved, acquired, and given back whatever happens.

This talks to the coordinator by labgrid's own gRPC stub: its ClientSession shares one connection
in a process, which the coordinator refuses to the second board, and labgrid-client prints for
people. Only switching power runs labgrid-client: its drivers keep state for the whole process and
have no time limit, so they get a process of their own, which can be ended.

Nothing has to be kept alive while a board is used: an acquired place stays acquired, and the
coordinator itself refreshes its reservation.
"""

from piyard.fleet.labgrid.acquire import acquired as acquired
from piyard.fleet.labgrid.login import Acquired as Acquired
from piyard.fleet.labgrid.place import Place as Place
from piyard.fleet.labgrid.place import places as places
from piyard.fleet.labgrid.power_port import power as power
from piyard.fleet.labgrid.power_port import switch as switch
