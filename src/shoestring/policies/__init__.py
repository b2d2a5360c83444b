"""IDEAS: belief x FleetView -> Actions, one file per policy. Pure: same input, same output."""
