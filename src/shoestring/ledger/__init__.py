"""The ledger's ideas: what was used -> what it cost -> answers. Pure: prices, times, facts are arguments."""
