"""The SSH edge: the only package that talks to Fabric and Paramiko."""
