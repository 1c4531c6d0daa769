"""History: what is missing, fetched from venues, told from what they do not have, and kept."""
