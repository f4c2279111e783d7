"""The loader of the training loop: published days as batches of numpy arrays, each row once per epoch."""
