"""The only door for clients: HTTP and WebSocket."""
