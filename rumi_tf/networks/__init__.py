"""Generators and discriminators, as Keras subclassed models."""
