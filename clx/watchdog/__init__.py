"""A process beside the engine that notices when it hangs, and acts."""
