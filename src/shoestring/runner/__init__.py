"""What wraps the command on each node: notice, heartbeat, meter, spool. It needs no supervisor to go on."""
