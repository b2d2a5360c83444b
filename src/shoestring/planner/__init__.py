"""Workload x Offers -> Plan: what fits and why not, what it would cost, which ways are worth a look. Pure."""
