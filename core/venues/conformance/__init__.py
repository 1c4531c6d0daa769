"""What every venue adapter must do, as cases anyone can run against an emulated venue."""
