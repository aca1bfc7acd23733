"""The live side of the gateway: sockets, hubs and lanes. Nothing here is durable."""
