"""WebSocket streams: connections, who listens to what, and what is sent when."""
