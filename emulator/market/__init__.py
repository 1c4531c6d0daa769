"""The simulated market: listings, history, order flow, books and accounts; knows no wire format."""
