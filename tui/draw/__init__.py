"""Pure drawing: data, size and glyphs in, rows of (text, role) runs out; nothing knows Textual."""
