"""Order state machine, ledger, risk gate, kill switch, router, reconciliation."""
