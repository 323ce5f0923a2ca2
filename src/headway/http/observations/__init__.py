"""Events and heartbeats as clients send them, shared by the contracts that take them."""
