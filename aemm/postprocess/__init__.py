"""What happens to instances after decoding: Instances to Instances."""
