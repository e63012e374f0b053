"""Loading a model and predicting with it."""
