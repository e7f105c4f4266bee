"""The layer that talks to boards: SSH, the fleet, emulated boards, leases, releases."""
