"""The command line: one small module per family of verbs, loaded only when used."""
