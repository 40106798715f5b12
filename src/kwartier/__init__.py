"""kwartier: a central read-out system for fleets of DLMS/COSEM electricity meters."""

__version__ = "0.1.0"
