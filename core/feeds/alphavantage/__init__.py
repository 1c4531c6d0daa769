"""Alpha Vantage: slow prices and history of stocks and currencies, a few questions a day."""
