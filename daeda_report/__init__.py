"""`daeda report`: one HTML file about a training set, made from manifests and statistics of its published days."""
