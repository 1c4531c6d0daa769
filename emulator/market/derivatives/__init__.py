"""Trading on margin: positions, margin, funding, liquidation and conditional orders."""
