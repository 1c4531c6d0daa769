"""What the venues' front ends share: connections, topics, REST calls, numbers and their faults."""
