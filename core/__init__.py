"""The trading core: everything between the wire and the doorway."""
