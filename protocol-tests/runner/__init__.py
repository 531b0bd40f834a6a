"""Finds the clients' scenarios, gives each a broker, runs it and keeps the score."""
